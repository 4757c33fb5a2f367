#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidemark::meters {

/// Finds the entries of a list by hash: open addressing over entry numbers, at most half full. The list itself, and
/// what makes two entries equal, are its owner's. Keeps its memory over clear().
class SlotIndex {
 public:
  /// Returns the number of the entry with this hash for which `equal(number)` holds; else `next`, which the caller must
  /// then append to the list.
  template <class Equal>
  std::uint32_t find_or_add(std::uint64_t hash, std::uint32_t next, Equal&& equal) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    const auto short_hash = static_cast<std::uint32_t>(hash >> 32);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = short_hash & mask;; at = (at + 1) & mask) {
      Slot& slot = slots_[at];
      if (slot.entry == 0) {
        slot = {short_hash, next + 1};
        ++used_;
        return next;
      }
      if (slot.hash == short_hash && equal(slot.entry - 1)) return slot.entry - 1;
    }
  }

  void clear() {
    std::ranges::fill(slots_, Slot{});
    used_ = 0;
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t entry = 0;  // Its number + 1; 0 where the slot is free.
  };
  static constexpr std::size_t kFirstSlots = 1024;  // A power of two, as every size that follows.

  void grow() {
    std::vector<Slot> bigger(slots_.empty() ? kFirstSlots : 2 * slots_.size());
    const std::size_t mask = bigger.size() - 1;
    for (const Slot& slot : slots_) {
      if (slot.entry == 0) continue;
      std::size_t at = slot.hash & mask;
      while (bigger[at].entry != 0) at = (at + 1) & mask;
      bigger[at] = slot;
    }
    slots_ = std::move(bigger);
  }

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

/// Mixes two words to a hash whose upper half is well spread (the multiplication of wyhash).
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace tidemark::meters
