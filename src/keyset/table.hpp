#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "entry.hpp"

namespace tidemark::keyset {

/// The claims of recent time in memory: entries in order of arrival, in chunks that never move, and a hash index of
/// 8 bytes a slot.
///
/// The index has 64 shards by the top bits of the fingerprint, each an array with ordered linear probing: a slot holds
/// the next 32 bits and the entry's number, and slots ascend. So a look-up that finds nothing touches one cache line, a
/// shard grows by streaming through itself (never a stop for the whole table), and reading the slots in turn *is* the
/// sorted order that a segment wants. Fingerprints are expected to be uniform (SipHash); others are only slower.
/// *Concurrency*: one thread; read-only once it is frozen.
class Table {
 public:
  /// Chunks hold 2^chunk_shift entries.
  explicit Table(unsigned chunk_shift) : chunk_shift_(chunk_shift) {}

  /// Brings the slots of `identity` near; a moment later prefetch_entry brings what they point to.
  void prefetch_slots(const Fingerprint& identity) const noexcept {
    const Shard& shard = shard_of(identity);
    if (shard.slots) fetch_ahead(&shard.slots[home(shard, tag_of(identity))]);
  }
  void prefetch_entry(const Fingerprint& identity) const noexcept {
    const Shard& shard = shard_of(identity);
    if (!shard.slots) return;
    const std::uint64_t slot = shard.slots[first_with_tag(shard, tag_of(identity))];
    if (slot >> 32 == tag_of(identity) && slot != kEmpty) fetch_ahead(&entry(number_in(slot)));
  }

  /// The claim of `identity`, or null.
  const Entry* find(const Fingerprint& identity) const noexcept;

  /// Adds the claim of an identity that isn't there.
  void add(const Entry& added);
  /// Makes `added` the claim of an identity that is there; the claim before is forgotten.
  void replace(const Entry& added);

  /// Forgets the claim that was added last of those still there, by add() or replace().
  void undo_last() noexcept;

  std::uint64_t size() const noexcept { return size_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

  /// Entries in order of arrival, replaced ones included: numbers [0, entries()).
  std::uint32_t entries() const noexcept { return entries_; }
  const Entry& entry(std::uint32_t number) const noexcept {
    return chunks_[number >> chunk_shift_][number & ((1u << chunk_shift_) - 1)];
  }

  /// Calls visit(entry) for the claims whose number lies in [first, end), ascending by fingerprint; stops at an error.
  template <class Visit>
  Result<void> visit_sorted(std::uint32_t first, std::uint32_t end, Visit&& visit) const;

 private:
  static constexpr unsigned kShardBits = 6;
  static constexpr std::uint64_t kEmpty = ~0ull;

  struct Shard {
    std::unique_ptr<std::uint64_t[]> slots;  ///< `total` slots and one that is always empty, where every search ends.
    std::uint32_t capacity = 0;              ///< Homes lie in [0, capacity); what runs over follows up to `total`.
    std::uint32_t total = 0;
    std::uint32_t used = 0;
  };

  static std::uint32_t number_in(std::uint64_t slot) noexcept { return static_cast<std::uint32_t>(slot); }
  static std::uint64_t tag_of(const Fingerprint& f) noexcept { return (f.high << kShardBits) >> 32; }
  static std::uint32_t home(const Shard& shard, std::uint64_t tag) noexcept {
    return static_cast<std::uint32_t>(tag * shard.capacity >> 32);
  }
  static std::uint32_t first_with_tag(const Shard& shard, std::uint64_t tag) noexcept {
    std::uint32_t at = home(shard, tag);
    while (shard.slots[at] >> 32 < tag) ++at;
    return at;
  }
  const Shard& shard_of(const Fingerprint& f) const noexcept { return shards_[f.high >> (64 - kShardBits)]; }
  Shard& shard_of(const Fingerprint& f) noexcept { return shards_[f.high >> (64 - kShardBits)]; }

  std::uint32_t append(const Entry& added);
  std::uint64_t* slot_of(const Fingerprint& identity) noexcept;
  void insert(Shard& shard, std::uint64_t slot);
  void erase(Shard& shard, std::uint32_t at) noexcept;
  void resize(Shard& shard, std::uint32_t capacity, std::uint32_t total);

  const unsigned chunk_shift_;
  std::array<Shard, 1u << kShardBits> shards_;
  std::vector<std::unique_ptr<Entry[]>> chunks_;
  std::uint32_t entries_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t bytes_ = 0;
};

template <class Visit>
Result<void> Table::visit_sorted(std::uint32_t first, std::uint32_t end, Visit&& visit) const {
  constexpr std::uint32_t kAhead = 12;
  std::vector<const Entry*> same_tag;
  for (const Shard& shard : shards_) {
    for (std::uint32_t at = 0; at < shard.total;) {
      if (at + kAhead < shard.total && shard.slots[at + kAhead] != kEmpty) {
        fetch_ahead(&entry(number_in(shard.slots[at + kAhead])));
      }
      const std::uint64_t tag = shard.slots[at] >> 32;
      same_tag.clear();
      do {  // Nearly always one: the slots order by 38 bits, the rest is settled here.
        const std::uint32_t number = number_in(shard.slots[at]);
        if (shard.slots[at] != kEmpty && number >= first && number < end) same_tag.push_back(&entry(number));
        ++at;
      } while (at < shard.total && shard.slots[at] >> 32 == tag && shard.slots[at] != kEmpty);
      if (same_tag.size() > 1) {
        std::sort(same_tag.begin(), same_tag.end(), [](const Entry* a, const Entry* b) { return a->before(*b); });
      }
      for (const Entry* each : same_tag) TIDEMARK_TRY(visit(*each));
    }
  }
  return {};
}

}  // namespace tidemark::keyset
