#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "segment_format.hpp"
#include "tidemark/base/file_system.hpp"

namespace tidemark::keyset {

/// Filters are halved at most so often: once more, and nearly every stranger would pass.
inline constexpr unsigned kHalvingsMax = 3;

/// A segment's filter in memory, or a *halved* one: each 2^halvings neighbouring lines in one, which takes as much less
/// memory and lets more strangers pass: about 0.00003 of them at halvings 0, 0.001 at 1, 0.03 at 2, 0.3 at 3.
class Filter {
 public:
  /// `lines` are those of a filter of `whole_lines` lines, halved so often.
  Filter(std::vector<FilterLine> lines, std::uint64_t whole_lines, unsigned halvings)
      : lines_(std::move(lines)), whole_lines_(whole_lines), halvings_(halvings) {}
  /// How many lines are left of `whole_lines`.
  static std::uint64_t lines_at(unsigned halvings, std::uint64_t whole_lines) noexcept {
    return ((whole_lines - 1) >> halvings) + 1;
  }
  /// As this one, halved `halvings` times in all, which is more often than this one is.
  std::shared_ptr<const Filter> halved(unsigned halvings) const;

  void prefetch(const Fingerprint& identity) const noexcept { fetch_ahead(&line_of(identity)); }
  /// `bits` are those of `identity`: made once for all filters that are asked.
  bool may_hold(const Fingerprint& identity, const FilterBits& bits) const noexcept {
    return line_of(identity).may_hold(bits);
  }
  std::uint64_t bytes() const noexcept { return lines_.size() * sizeof(FilterLine); }
  unsigned halvings() const noexcept { return halvings_; }

 private:
  const FilterLine& line_of(const Fingerprint& f) const noexcept {
    return lines_[place_of(f.high, whole_lines_) >> halvings_];
  }
  const std::vector<FilterLine> lines_;
  const std::uint64_t whole_lines_;
  const unsigned halvings_;
};

/// An immutable segment on disk, its fences in memory. Every part is checked when it is read; what fails is kCorrupt.
/// *Concurrency*: safe from every thread.
class Segment {
 public:
  /// Opens segment `number` of the store of `log_id`, whose footer must have `footer_checksum`. Reads footer and
  /// fences.
  static Result<std::shared_ptr<const Segment>> open(FileSystem& files, const std::string& directory,
                                                     const LogId& log_id, std::uint64_t number,
                                                     std::uint64_t footer_checksum);

  /// Reads the filter into memory, halved so often.
  Result<std::shared_ptr<const Filter>> load_filter(unsigned halvings) const;
  /// Asks the whole filter on disk: one read of 1 KiB, which will_ask() has under way.
  Result<bool> may_hold(const Fingerprint& identity) const;
  void will_ask(const Fingerprint& identity) const;

  /// The claim of `identity`, if it is here: one read of 4 KiB, which will_find() has under way.
  Result<std::optional<Entry>> find(const Fingerprint& identity) const;
  void will_find(const Fingerprint& identity) const;

  /// Reads and checks blocks [first, first + out.size()).
  Result<void> read_blocks(std::uint64_t first, std::span<Block> out) const;

  const Footer& footer() const noexcept { return footer_; }
  const std::string& path() const noexcept { return path_; }
  /// Memory of the filter, halved so often.
  std::uint64_t filter_bytes(unsigned halvings) const noexcept {
    return Filter::lines_at(halvings, footer_.filter_lines) * sizeof(FilterLine);
  }
  std::uint64_t fence_bytes() const noexcept { return fences_.size() * sizeof(std::uint64_t); }

 private:
  Segment(std::string path, std::unique_ptr<File> file) : path_(std::move(path)), file_(std::move(file)) {}
  Result<void> read_footer(const LogId& log_id, std::uint64_t number, std::uint64_t footer_checksum);
  Result<void> read_fences();
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) const;
  std::uint64_t last_block_from(std::uint64_t high) const noexcept;
  std::uint64_t filter_line_of(const Fingerprint& identity) const noexcept;
  Result<void> check(const FilterPage& page, std::uint64_t number) const;

  const std::string path_;
  const std::unique_ptr<File> file_;
  Footer footer_;
  std::uint64_t seed_ = 0;
  std::vector<std::uint64_t> fences_;  ///< The high half of each block's first fingerprint.
};

/// Reads a segment's entries in order, some blocks ahead: for merging.
class SegmentScan {
 public:
  explicit SegmentScan(std::shared_ptr<const Segment> segment) : segment_(std::move(segment)) {}
  /// The next entry, or null at the end. Call advance() once before the first.
  const Entry* head() const noexcept { return head_; }
  Result<void> advance();

 private:
  Result<void> read_on();

  const std::shared_ptr<const Segment> segment_;
  std::vector<Block> blocks_;
  std::uint64_t next_block_ = 0;
  std::size_t block_ = 0;  ///< Within blocks_.
  std::uint32_t entry_ = 0;
  const Entry* head_ = nullptr;
  std::optional<Entry> last_;
};

}  // namespace tidemark::keyset
