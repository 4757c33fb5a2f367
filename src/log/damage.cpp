#include "damage.hpp"

#include <algorithm>

namespace tidemark::log {

std::vector<RescuedRecord> rescued_records(const Sticky& echoed, const Sticky& known, Offset from) {
  std::vector<RescuedRecord> rescued;
  for (const auto& [kind, offset] : echoed.offsets()) {
    const auto held = known.offsets().find(kind);
    if (offset >= from && (held == known.offsets().end() || held->second < offset)) rescued.push_back({offset, kind});
  }
  std::ranges::sort(rescued, {}, &RescuedRecord::offset);
  return rescued;
}

void exclude_from_last(std::vector<Damage>& damage, Offset offset) {
  if (damage.empty() || offset < damage.back().first || offset >= damage.back().end) return;
  Damage before = damage.back();
  Damage after = before;
  damage.pop_back();
  before.end = offset;
  after.first = offset + 1;
  if (before.first < before.end) damage.push_back(std::move(before));
  if (after.first < after.end) damage.push_back(std::move(after));
}

}  // namespace tidemark::log
