#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "manifest.hpp"
#include "merge.hpp"
#include "merge_plan.hpp"
#include "segment.hpp"
#include "table.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/random.hpp"

namespace tidemark::keyset {

/// What look-ups see behind the active table; immutable, so that whoever holds it may go on reading.
struct View {
  struct Part {
    std::shared_ptr<const Segment> segment;
    std::shared_ptr<const Filter> filter;  ///< Null while it has no room in memory.
  };
  std::shared_ptr<const Table> frozen;  ///< Null unless a table waits to be written.
  std::vector<Part> parts;              ///< Newest first.

  std::uint64_t claims() const noexcept;
  /// Memory of the frozen table, and of filters and fences.
  std::uint64_t frozen_bytes() const noexcept { return frozen ? frozen->bytes() : 0; }
  std::uint64_t segment_memory_bytes() const noexcept;
  std::uint64_t disk_bytes() const noexcept;
};

/// The durable part of a key set: writes frozen tables out as segments, drops those that have expired, keeps filters
/// in memory as far as they have room, and merges segments; all of it in step().
///
/// *Durability*: the manifest is replaced only after what it names is on disk, and files are removed only after it has
/// ceased to name them. *Concurrency*: step() from one thread; freeze() and expire() from the committer's; the rest
/// from any.
class Store {
 public:
  static Result<std::unique_ptr<Store>> open(FileSystem& files, Random& random, Metrics& metrics,
                                             const KeySetOptions& options, const LogId& log_id, KeySetReport& report);

  const FingerprintKey& fingerprint_key() const noexcept { return key_; }
  std::shared_ptr<const View> view() const;
  std::uint64_t covered_to() const noexcept { return covered_to_.load(std::memory_order_acquire); }
  /// The share of memory of one table.
  std::uint64_t table_max_bytes() const noexcept { return table_max_bytes_.load(std::memory_order_relaxed); }
  std::optional<Error> error() const;

  /// Takes over a table whose claims all belong to records below `covered_to`. None may be waiting.
  void freeze(std::shared_ptr<const Table> table, std::uint64_t covered_to);
  bool has_frozen() const;
  /// Waits until the frozen table is written, for another thread to do in step(). Error kDiskFull when it can't be for
  /// now: it will be tried again.
  Result<void> wait_until_written();
  /// Claims that are expired at `now` need not be kept any longer.
  void expire(std::int64_t now);

  /// Does one bounded piece of work; false when there is nothing to do, or no space to do it. An error is for good.
  Result<bool> step();
  /// Waits until step() may find something to do, or `stop`.
  void wait_for_work(std::stop_token stop);

 private:
  struct Writing {
    std::uint32_t next_entry = 0;   ///< Of the frozen table: those below are in `parts`.
    std::vector<View::Part> parts;  ///< Oldest first; not yet in the manifest.
  };

  Store(FileSystem& files, Metrics& metrics, const KeySetOptions& options);
  Result<void> create(Random& random, const LogId& log_id);
  Result<void> load(const LogId& log_id);
  Result<void> remove_leftovers(const std::vector<std::string>& names);

  Result<bool> find_work();
  Result<void> write_frozen(const Table& frozen);
  Result<void> write_bucket(const Table& frozen);
  Result<bool> drop_expired();
  std::vector<std::optional<unsigned>> plan_halvings() const;
  Result<bool> place_filters();
  Result<bool> go_on_merging();
  Result<bool> begin_merge();
  Result<bool> continue_merge();
  Result<void> commit_merge();
  Result<void> commit(const std::vector<View::Part>& parts, std::uint64_t covered_to);
  void publish(bool drop_frozen = false);
  void remove_file(const std::string& path);
  std::vector<SegmentExtent> extents() const;
  bool is_expired_part(const View::Part& part) const;

  FileSystem& files_;
  const std::string directory_;
  const std::uint64_t memory_bytes_;
  const std::int64_t window_;
  const std::int64_t bucket_width_;
  Counter& checkpoints_;
  Counter& merges_;
  Gauge& segments_gauge_;
  Gauge& disk_gauge_;

  FingerprintKey key_;  // Constant once open.

  // Confined to step().
  Manifest manifest_;  // As it is on disk.
  std::uint64_t next_number_ = 0;
  std::vector<View::Part> parts_;  // Newest first.
  Writing writing_;
  std::unique_ptr<Merge> merge_;
  bool merge_held_ = false;  // No space: not again before something else has changed.

  std::atomic<std::uint64_t> covered_to_{0};
  std::atomic<std::uint64_t> table_max_bytes_{0};
  std::atomic<std::int64_t> expired_before_{0};  // The time up to which expire() lets claims go.
  std::atomic<std::int64_t> next_expiry_{0};     // When the first segment can be dropped.

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::shared_ptr<const View> view_;
  std::uint64_t frozen_covers_to_ = 0;
  bool work_ = true;
  bool disk_full_ = false;
  std::optional<Error> error_;
};

}  // namespace tidemark::keyset
