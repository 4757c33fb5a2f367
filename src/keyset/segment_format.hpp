#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "entry.hpp"
#include "tidemark/base/bytes.hpp"

/// The bytes of a segment file: filter pages, zeros up to a multiple of 4 KiB, blocks, fences, footer.
/// docs/formats/keyset.md is the specification; the structs are its layout, as every machine we build for holds them.
namespace tidemark::keyset {

using LogId = std::array<std::byte, 16>;

inline constexpr std::uint64_t kSegmentMagic = 0x314745534B44'4954ull;  // "TIDKSEG1"
inline constexpr std::uint32_t kSegmentVersion = 1;
inline constexpr std::uint64_t kEntriesPerBlock = 102;
inline constexpr std::uint64_t kEntriesPerFilterLine = 16;  // 512 bits a line: 32 bits an entry.
inline constexpr std::uint64_t kLinesPerFilterPage = 15;

/// A run of entries, ascending by fingerprint. Full in every block but the last.
struct Block {
  std::array<Entry, kEntriesPerBlock> entries;
  std::uint32_t count = 0;
  std::uint32_t reserved = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(Block) == 4096);

/// The bits that a key sets in its filter line, one in each word; drawn from the low half of the fingerprint, as the
/// high half chooses the line.
struct alignas(64) FilterBits {
  FilterBits() = default;
  explicit FilterBits(std::uint64_t low) noexcept {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = 1ull << (low >> (6 * i) & 63);
  }
  std::array<std::uint64_t, 8> words;
};

/// One cache line of a blocked Bloom filter.
struct alignas(64) FilterLine {
  std::array<std::uint64_t, 8> words{};

  void add(const FilterBits& bits) noexcept {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] |= bits.words[i];
  }
  void add(const FilterLine& other) noexcept {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] |= other.words[i];
  }
  /// False: never added.
  bool may_hold(const FilterBits& bits) const noexcept {
    std::uint64_t missing = 0;
    for (std::size_t i = 0; i < words.size(); ++i) missing |= bits.words[i] & ~words[i];
    return missing == 0;
  }
};

/// What is read and checked at once of a filter that stays on disk.
struct FilterPage {
  std::array<FilterLine, kLinesPerFilterPage> lines;
  std::array<std::uint64_t, 7> reserved{};
  std::uint64_t checksum = 0;
};
static_assert(sizeof(FilterPage) == 1024);

/// The last 128 bytes of a segment.
struct Footer {
  std::uint64_t magic = kSegmentMagic;
  std::uint32_t version = kSegmentVersion;
  std::uint32_t reserved = 0;
  LogId log_id{};
  std::uint64_t number = 0;        ///< The segment's, never used twice in a store.
  std::uint64_t entries = 0;       ///< At least 1.
  std::uint64_t filter_lines = 0;  ///< At least 1.
  std::int64_t min_arrival = 0;
  std::int64_t max_arrival = 0;
  std::uint64_t fences_checksum = 0;
  std::array<std::uint64_t, 5> unused{};
  std::uint64_t checksum = 0;  ///< Of the bytes before it.

  std::uint64_t blocks() const noexcept { return (entries + kEntriesPerBlock - 1) / kEntriesPerBlock; }
  std::uint64_t filter_pages() const noexcept { return (filter_lines + kLinesPerFilterPage - 1) / kLinesPerFilterPage; }
  std::uint64_t blocks_offset() const noexcept {
    return (filter_pages() * sizeof(FilterPage) + sizeof(Block) - 1) / sizeof(Block) * sizeof(Block);
  }
  std::uint64_t fences_offset() const noexcept { return blocks_offset() + blocks() * sizeof(Block); }
  std::uint64_t footer_offset() const noexcept { return fences_offset() + blocks() * sizeof(std::uint64_t); }
  std::uint64_t file_bytes() const noexcept { return footer_offset() + sizeof(Footer); }

  /// The seed that ties checksums to this file, so that a part of another segment is never taken for its own.
  std::uint64_t seed() const noexcept;
  std::uint64_t compute_checksum() const noexcept;
};
static_assert(sizeof(Footer) == 128);

inline constexpr std::uint64_t filter_lines_for(std::uint64_t entries) noexcept {
  return (entries + kEntriesPerFilterLine - 1) / kEntriesPerFilterLine;
}

std::uint64_t block_checksum(const Block& block, std::uint64_t seed, std::uint64_t number) noexcept;
std::uint64_t filter_page_checksum(const FilterPage& page, std::uint64_t seed, std::uint64_t number) noexcept;
std::uint64_t fences_checksum(std::span<const std::uint64_t> fences, std::uint64_t seed) noexcept;

/// The file of segment `number` in `directory`.
std::string segment_path(const std::string& directory, std::uint64_t number);
/// True for the name of a segment file.
bool is_segment_name(std::string_view name) noexcept;

/// kCorrupt, naming the file and the remedy.
Error corrupt(const std::string& path, std::string_view what);

}  // namespace tidemark::keyset
