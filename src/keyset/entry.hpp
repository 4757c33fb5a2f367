#pragma once

#include <array>
#include <cstdint>

#include "tidemark/base/hash.hpp"
#include "tidemark/base/time.hpp"
#include "tidemark/keyset/keyset.hpp"

namespace tidemark::keyset {

/// One claim as it is held in memory and on disk: 40 bytes. Owner and arrival share two words: 48 bits of offset, 26 of
/// index, 54 of arrival (microseconds, up to the year 2540).
struct Entry {
  static constexpr unsigned kOffsetBits = 48;
  static constexpr unsigned kIndexBits = 26;
  static constexpr unsigned kArrivalBits = 54;

  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::uint64_t content = 0;
  std::array<std::uint64_t, 2> packed{};

  /// True if the position and the time have room in an entry.
  static constexpr bool fits(std::uint64_t offset, std::uint64_t index, std::int64_t arrival) noexcept {
    return offset >> kOffsetBits == 0 && index >> kIndexBits == 0 && arrival >= 0 && arrival >> kArrivalBits == 0;
  }

  static Entry make(const Fingerprint& identity, std::uint64_t content, OwnerPosition owner,
                    std::int64_t arrival) noexcept {
    return {identity.high,
            identity.low,
            content,
            {owner.offset | static_cast<std::uint64_t>(owner.index) << kOffsetBits,
             static_cast<std::uint64_t>(owner.index) >> (64 - kOffsetBits) | static_cast<std::uint64_t>(arrival)
                                                                                 << (64 - kArrivalBits)}};
  }

  Fingerprint identity() const noexcept { return {high, low}; }
  OwnerPosition owner() const noexcept {
    constexpr std::uint64_t kLowIndex = 64 - kOffsetBits;
    constexpr std::uint64_t kHighIndex = 64 - kArrivalBits;
    return {
        packed[0] & ((1ull << kOffsetBits) - 1),
        static_cast<std::uint32_t>(packed[0] >> kOffsetBits | (packed[1] & ((1ull << kHighIndex) - 1)) << kLowIndex)};
  }
  std::int64_t arrival() const noexcept { return static_cast<std::int64_t>(packed[1] >> (64 - kArrivalBits)); }

  bool is(const Fingerprint& identity) const noexcept { return low == identity.low && high == identity.high; }
  bool before(const Entry& other) const noexcept { return high != other.high ? high < other.high : low < other.low; }
};
static_assert(sizeof(Entry) == 40 && Entry::kOffsetBits + Entry::kIndexBits + Entry::kArrivalBits == 128);

/// Maps `value`, uniform over 64 bits, to [0, range) in ascending order: what lies sorted by fingerprint is met at
/// ascending places, so that sorted output fills filters and tables from front to back.
inline std::uint64_t place_of(std::uint64_t value, std::uint64_t range) noexcept {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(value) * range >> 64);
}

/// Has the cache line at `address` fetched. The empty statement is an effect: without one GCC takes a function that
/// only fetches ahead for one that does nothing, and drops its calls.
inline void fetch_ahead(const void* address) noexcept {
  __builtin_prefetch(address);
  asm volatile("" : : "r"(address));
}

/// True when a claim of `claimed` (microseconds) is forgotten at `now`. Holds for windows of any length.
inline bool is_expired(std::int64_t claimed, std::int64_t now, std::int64_t window) noexcept {
  return now > claimed && now - claimed >= window;
}

}  // namespace tidemark::keyset
