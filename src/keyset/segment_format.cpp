#include "segment_format.hpp"

#include <algorithm>
#include <cstdio>

namespace tidemark::keyset {
namespace {

constexpr std::string_view kNamePrefix = "segment-";
constexpr int kNameDigits = 16;

/// Parts of one kind get numbers of their own, so that no two parts of a file share a seed.
enum Part : std::uint64_t { kBlockPart, kFilterPart, kFencesPart };
std::uint64_t part_seed(std::uint64_t seed, Part part, std::uint64_t number) noexcept {
  return seed + (number << 2 | part);
}

template <class T>
Bytes bytes_before_checksum(const T& part) noexcept {
  return std::as_bytes(std::span(&part, 1)).first(offsetof(T, checksum));
}

}  // namespace

std::uint64_t Footer::seed() const noexcept {
  return hash64(log_id, number);
}
std::uint64_t Footer::compute_checksum() const noexcept {
  return hash64(bytes_before_checksum(*this));
}

std::uint64_t block_checksum(const Block& block, std::uint64_t seed, std::uint64_t number) noexcept {
  return hash64(bytes_before_checksum(block), part_seed(seed, kBlockPart, number));
}
std::uint64_t filter_page_checksum(const FilterPage& page, std::uint64_t seed, std::uint64_t number) noexcept {
  return hash64(bytes_before_checksum(page), part_seed(seed, kFilterPart, number));
}
std::uint64_t fences_checksum(std::span<const std::uint64_t> fences, std::uint64_t seed) noexcept {
  return hash64(std::as_bytes(fences), part_seed(seed, kFencesPart, 0));
}

std::string segment_path(const std::string& directory, std::uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "segment-%0*llu", kNameDigits, static_cast<unsigned long long>(number));
  return directory + "/" + name;
}

bool is_segment_name(std::string_view name) noexcept {
  return name.starts_with(kNamePrefix) && name.size() >= kNamePrefix.size() + kNameDigits &&
         std::all_of(name.begin() + kNamePrefix.size(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Error corrupt(const std::string& path, std::string_view what) {
  return Error(Errc::kCorrupt,
               "the key set can't be used: restore the data directory from a backup, or move the key set's directory "
               "away together with the log's to start anew, which forgets all identities: " +
                   std::string(what) + ": " + path);
}

}  // namespace tidemark::keyset
