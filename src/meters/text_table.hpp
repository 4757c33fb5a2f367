#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "slot_index.hpp"

namespace tidemark::meters {

/// 16 bytes that stand for a text in tables: BLAKE2b with 128 bits of output and no key (RFC 7693), so that anybody can
/// compute it and nobody can craft collisions. Stable for ever.
using TextHash = std::array<std::byte, 16>;
TextHash text_hash(std::string_view text) noexcept;

/// Numbers texts from 0 in the order in which they first come. Keeps its memory over clear().
class TextTable {
 public:
  std::uint32_t number_of(std::string_view text);
  /// Valid until the next number_of() or clear().
  std::string_view text(std::uint32_t number) const noexcept {
    return std::string_view(bytes_).substr(entries_[number].at, entries_[number].size);
  }
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(entries_.size()); }
  void clear();

  /// For each number the rank of its text by bytes.
  std::vector<std::uint32_t> ranks() const;

 private:
  struct Entry {
    std::uint64_t at = 0;
    std::uint64_t size = 0;
  };
  SlotIndex index_;
  std::vector<Entry> entries_;
  std::string bytes_;
  std::uint32_t last_ = 0;  // Often asked for again: the tenant of a record.
};

}  // namespace tidemark::meters
