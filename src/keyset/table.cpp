#include "table.hpp"

#include <cstring>

#include "tidemark/base/assert.hpp"

namespace tidemark::keyset {
namespace {

constexpr std::uint32_t kSmallestCapacity = 16;
constexpr std::uint32_t kMostEntries = ~0u;  // The number that an empty slot seems to hold.
constexpr std::uint32_t kOverrun = 16;       // Slots behind the last home; more are added when a cluster needs them.

constexpr bool is_full(std::uint32_t used, std::uint32_t capacity) {
  return used >= capacity / 5 * 4;
}

}  // namespace

const Entry* Table::find(const Fingerprint& identity) const noexcept {
  const Shard& shard = shard_of(identity);
  if (!shard.slots) return nullptr;
  const std::uint64_t tag = tag_of(identity);
  for (std::uint32_t at = first_with_tag(shard, tag); shard.slots[at] >> 32 == tag && shard.slots[at] != kEmpty; ++at) {
    const Entry& found = entry(number_in(shard.slots[at]));
    if (found.is(identity)) return &found;
  }
  return nullptr;
}

std::uint64_t* Table::slot_of(const Fingerprint& identity) noexcept {
  Shard& shard = shard_of(identity);
  if (!shard.slots) return nullptr;
  const std::uint64_t tag = tag_of(identity);
  for (std::uint32_t at = first_with_tag(shard, tag); shard.slots[at] >> 32 == tag && shard.slots[at] != kEmpty; ++at) {
    if (entry(number_in(shard.slots[at])).is(identity)) return &shard.slots[at];
  }
  return nullptr;
}

void Table::add(const Entry& added) {
  const Fingerprint identity = added.identity();
  insert(shard_of(identity), tag_of(identity) << 32 | append(added));
  ++size_;
}

void Table::replace(const Entry& added) {
  std::uint64_t* slot = slot_of(added.identity());
  TIDEMARK_ASSERT(slot != nullptr);
  *slot = tag_of(added.identity()) << 32 | append(added);
}

void Table::undo_last() noexcept {
  TIDEMARK_ASSERT(entries_ > 0);
  const Fingerprint identity = entry(entries_ - 1).identity();
  std::uint64_t* slot = slot_of(identity);
  TIDEMARK_ASSERT(slot != nullptr && number_in(*slot) == entries_ - 1);
  Shard& shard = shard_of(identity);
  erase(shard, static_cast<std::uint32_t>(slot - shard.slots.get()));
  --entries_;
  --size_;
}

/// Returns the number of the new entry.
std::uint32_t Table::append(const Entry& added) {
  TIDEMARK_ASSERT(entries_ < kMostEntries);
  if (entries_ >> chunk_shift_ == chunks_.size()) {
    chunks_.push_back(std::make_unique_for_overwrite<Entry[]>(1u << chunk_shift_));
    bytes_ += sizeof(Entry) << chunk_shift_;
  }
  chunks_[entries_ >> chunk_shift_][entries_ & ((1u << chunk_shift_) - 1)] = added;
  return entries_++;
}

void Table::insert(Shard& shard, std::uint64_t slot) {
  if (is_full(shard.used, shard.capacity)) {
    const std::uint32_t capacity = std::max(kSmallestCapacity, shard.capacity + shard.capacity / 2);
    resize(shard, capacity, capacity + kOverrun);
  }
  std::uint32_t at = home(shard, slot >> 32);
  while (shard.slots[at] < slot) ++at;
  std::uint32_t free = at;
  while (shard.slots[free] != kEmpty) ++free;
  if (free == shard.total) {  // The last slot stays empty.
    resize(shard, shard.capacity, shard.total + shard.total / 16 + kOverrun);
  }
  std::memmove(&shard.slots[at + 1], &shard.slots[at], (free - at) * sizeof slot);
  shard.slots[at] = slot;
  ++shard.used;
}

void Table::erase(Shard& shard, std::uint32_t at) noexcept {
  // Whoever stands behind its home moves up, so that no search meets a gap before what it looks for.
  while (shard.slots[at + 1] != kEmpty && home(shard, shard.slots[at + 1] >> 32) <= at) {
    shard.slots[at] = shard.slots[at + 1];
    ++at;
  }
  shard.slots[at] = kEmpty;
  --shard.used;
}

void Table::resize(Shard& shard, std::uint32_t capacity, std::uint32_t total) {
  // Slots ascend, so each goes to its home or right behind the one before it.
  Shard grown{std::make_unique_for_overwrite<std::uint64_t[]>(total + 1), capacity, total, shard.used};
  std::fill_n(grown.slots.get(), total + 1, kEmpty);
  std::uint32_t next = 0;
  for (std::uint32_t at = 0; at < shard.total; ++at) {
    const std::uint64_t slot = shard.slots[at];
    if (slot == kEmpty) continue;
    next = std::max(next, home(grown, slot >> 32));
    if (next == grown.total) return resize(shard, capacity, total + total / 16 + kOverrun);
    grown.slots[next++] = slot;
  }
  bytes_ += (std::uint64_t{grown.total} - shard.total) * sizeof(std::uint64_t);  // Less of them at times.
  shard = std::move(grown);
}

}  // namespace tidemark::keyset
