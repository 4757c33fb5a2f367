#include "catalog.hpp"

#include <algorithm>
#include <utility>

#include "tidemark/base/assert.hpp"

namespace tidemark::log {
namespace {

constexpr std::uint64_t kIndexStep = 256u << 10;
constexpr std::size_t kIndexedSegments = 64;  // Older ones are found by their heads alone.

SegmentInfo info_of(const Segment& segment) {
  return {segment.head->first, segment.end, segment.last_arrival.value_or(Timestamp{}), segment.head->file_bytes};
}

/// The last mark at or before `offset`; the segment's beginning if there is none.
IndexMark mark_before(const Segment& segment, Offset offset) {
  const auto after = std::ranges::upper_bound(segment.index, offset, {}, &IndexMark::first);
  if (after == segment.index.begin()) return {segment.head->head_bytes, segment.head->first, segment.head->sticky};
  return *std::prev(after);
}

/// Bytes from `offset` to the end of its segment, estimated between the marks on both sides.
std::uint64_t bytes_left(const Segment& segment, Offset offset) {
  const IndexMark before = mark_before(segment, offset);
  const auto after = std::ranges::upper_bound(segment.index, offset, {}, &IndexMark::first);
  const std::uint64_t next_at = after == segment.index.end() ? segment.data_end : after->at;
  const Offset next_first = after == segment.index.end() ? segment.end : after->first;
  if (next_first == before.first) return segment.data_end - next_at;
  const double share = static_cast<double>(next_first - offset) / static_cast<double>(next_first - before.first);
  return segment.data_end - next_at + static_cast<std::uint64_t>(share * static_cast<double>(next_at - before.at));
}

}  // namespace

void extend_index(Segment& segment, IndexMark mark) {
  const std::uint64_t last = segment.index.empty() ? segment.head->head_bytes : segment.index.back().at;
  if (mark.at - last >= kIndexStep) segment.index.push_back(std::move(mark));
}

Catalog::Catalog(std::deque<Segment> segments, std::vector<StartMark> starts)
    : synced_end_(segments.back().end),
      first_offset_(segments.front().head->first),
      segments_(std::move(segments)),
      starts_(starts.begin(), starts.end()) {}

void Catalog::publish(CommittedGroup group) {
  {
    const std::lock_guard lock(mutex_);
    Segment& tail = segments_.back();
    extend_index(tail, {group.at, group.first, std::move(group.sticky_before)});
    tail.data_end = group.data_end;
    tail.end = group.end;
    tail.last_arrival = group.arrival;
    if (group.start) starts_.push_back(*group.start);
  }
  synced_end_.store(group.end, std::memory_order_release);
}

void Catalog::add(Segment segment) {
  const std::lock_guard lock(mutex_);
  TIDEMARK_ASSERT(segment.head->first == segments_.back().end);
  segments_.back().sealed = true;
  segments_.push_back(std::move(segment));
  if (segments_.size() > kIndexedSegments) {
    std::vector<IndexMark>().swap(segments_[segments_.size() - 1 - kIndexedSegments].index);
  }
}

const Segment& Catalog::holding(Offset offset) const {
  auto after = std::upper_bound(segments_.begin(), segments_.end(), offset,
                                [](Offset wanted, const Segment& segment) { return wanted < segment.head->first; });
  return *std::prev(after);
}

std::uint64_t Catalog::bytes_from(Offset offset) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    if (segment->head->first <= offset) {
      return bytes + (offset < segment->end ? bytes_left(*segment, offset) : 0);
    }
    bytes += segment->data_end - segment->head->head_bytes;
  }
  return bytes;
}

std::optional<StartId> Catalog::start_at(Offset offset) const {
  const std::lock_guard lock(mutex_);
  if (offset < segments_.front().head->first || offset > segments_.back().end) return std::nullopt;
  const auto after = std::ranges::lower_bound(starts_, offset, {}, &StartMark::offset);
  if (after != starts_.begin()) return std::prev(after)->id;
  return after != starts_.end() && after->offset == 0 ? std::optional(after->id) : std::nullopt;
}

std::vector<SegmentInfo> Catalog::segments() const {
  const std::lock_guard lock(mutex_);
  std::vector<SegmentInfo> infos;
  infos.reserve(segments_.size());
  for (const Segment& segment : segments_) infos.push_back(info_of(segment));
  return infos;
}

std::size_t Catalog::segment_count() const {
  const std::lock_guard lock(mutex_);
  return segments_.size();
}

std::optional<SegmentInfo> Catalog::oldest_trimmable(Offset floor, Timestamp keep_from) const {
  const std::lock_guard lock(mutex_);
  const Segment& oldest = segments_.front();
  const SegmentInfo info = info_of(oldest);
  if (!oldest.sealed || info.end > floor || info.last_arrival >= keep_from) return std::nullopt;
  return info;
}

std::optional<std::string> Catalog::oldest_path() const {
  const std::lock_guard lock(mutex_);
  if (!segments_.front().sealed) return std::nullopt;
  return segments_.front().path;
}

void Catalog::drop_oldest() {
  const std::lock_guard lock(mutex_);
  TIDEMARK_ASSERT(segments_.front().sealed);
  segments_.pop_front();
  const Offset first = segments_.front().head->first;
  // The last start before the new beginning is still in force there.
  while (starts_.size() > 1 && starts_[1].offset < first) starts_.pop_front();
  first_offset_.store(first, std::memory_order_release);
}

std::optional<SegmentView> Catalog::find(Offset offset) const {
  const std::lock_guard lock(mutex_);
  if (offset < segments_.front().head->first || offset > segments_.back().end) return std::nullopt;
  const Segment& segment = holding(offset);
  return SegmentView{segment.head, segment.path,   segment.data_end,
                     segment.end,  segment.sealed, mark_before(segment, offset)};
}

}  // namespace tidemark::log
