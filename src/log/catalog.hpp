#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "segment_head.hpp"
#include "sticky.hpp"
#include "tidemark/log/log.hpp"

namespace tidemark::log {

/// A frame that is known without reading: where it stands, its first record, and what is in force there.
struct IndexMark {
  std::uint64_t at = 0;
  Offset first = 0;
  StickyPtr sticky;
};

/// A segment as the log knows it. All but the newest are sealed: nothing changes in them any more.
struct Segment {
  std::shared_ptr<const SegmentHead> head;
  std::string path;
  std::uint64_t data_end = 0;             ///< Where its last frame ends, as a place in the file.
  Offset end = 0;                         ///< One past its last record.
  std::optional<Timestamp> last_arrival;  ///< Of the last group at or before `end`.
  std::vector<IndexMark> index;           ///< Sparse, ascending; may be empty.
  bool sealed = false;
};

/// What a reader needs of one segment, as it was at one moment.
struct SegmentView {
  std::shared_ptr<const SegmentHead> head;
  std::string path;
  std::uint64_t data_end = 0;
  Offset end = 0;
  bool sealed = false;
  IndexMark mark;  ///< The last known frame at or before the offset that was asked for.
};

/// What one commit adds to the newest segment.
struct CommittedGroup {
  std::uint64_t at = 0;        ///< Of its frame.
  std::uint64_t data_end = 0;  ///< Behind its frame, and behind the echo of it.
  Offset first = 0;
  Offset end = 0;
  Timestamp arrival;
  StickyPtr sticky_before;
  std::optional<StartMark> start;  ///< The start record within it.
};

/// The log's segments and how far they are synced: what committer, readers and trimming share. *Concurrency*: any
/// thread; publish() and add() are the committer's.
class Catalog {
 public:
  /// `segments`: at least one, in order; `starts`: all start records that they hold, and the one in force before.
  Catalog(std::deque<Segment> segments, std::vector<StartMark> starts);

  /// Makes a synced group visible.
  void publish(CommittedGroup group);
  /// Seals the newest segment and adds the next.
  void add(Segment segment);

  Offset synced_end() const noexcept { return synced_end_.load(std::memory_order_acquire); }
  Offset first_offset() const noexcept { return first_offset_.load(std::memory_order_acquire); }
  std::uint64_t bytes_from(Offset offset) const;
  std::optional<StartId> start_at(Offset offset) const;
  std::vector<SegmentInfo> segments() const;
  std::size_t segment_count() const;
  std::optional<SegmentInfo> oldest_trimmable(Offset floor, Timestamp keep_from) const;
  /// The oldest segment's file; nothing when it is the newest too.
  std::optional<std::string> oldest_path() const;
  /// Forgets the oldest segment.
  void drop_oldest();

  /// The segment that holds `offset`, or at the synced end the newest. Nothing when it was trimmed away or lies beyond
  /// the end.
  std::optional<SegmentView> find(Offset offset) const;

 private:
  const Segment& holding(Offset offset) const;

  std::atomic<Offset> synced_end_;
  std::atomic<Offset> first_offset_;
  mutable std::mutex mutex_;
  std::deque<Segment> segments_;  // Guarded by mutex_.
  std::deque<StartMark> starts_;  // Guarded by mutex_; the first may lie before the oldest segment.
};

/// Appends a mark when the last one lies far enough back.
void extend_index(Segment& segment, IndexMark mark);

}  // namespace tidemark::log
