#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tidemark/base/clock.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/base/hash.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/random.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::keyset {

struct KeySetOptions {
  std::string directory;
  microseconds window{};                      ///< How long a claim is remembered (identity_window).
  std::uint64_t memory_bytes = 256ull << 20;  ///< Bound on tables, filters and fences together; at least 1 MiB.
  std::uint32_t time_buckets = 32;            ///< Claims are dropped in steps of window / time_buckets.
  bool background_thread = true;              ///< False: step() does its work, for simulators and tests.
};

/// The place of the event that owns a claim: the record's offset in its log (below 2^48), and the event's index in the
/// record (below 2^26).
struct OwnerPosition {
  std::uint64_t offset = 0;
  std::uint32_t index = 0;
  auto operator<=>(const OwnerPosition&) const = default;
};

/// One identity that asks to be new.
struct ClaimRequest {
  Fingerprint identity;
  std::uint64_t content = 0;  ///< Content hash, compared when the identity is known already.
  bool look_up_only = false;  ///< Answer, but don't remember: for an event that would be refused anyway.
};

/// What the key set knew of a ClaimRequest.
struct ClaimAnswer {
  bool is_new = false;        ///< Not known; remembered now unless look_up_only.
  bool same_content = false;  ///< When known: the owner's content hash is equal.
  OwnerPosition owner;        ///< Who owns it; the requester itself when it is new.
};

struct KeySetStats {
  std::uint64_t claims = 0;          ///< Remembered, memory and disk; expired but not yet dropped ones count.
  std::uint64_t table_bytes = 0;     ///< Memory of the tables.
  std::uint64_t resident_bytes = 0;  ///< Memory of tables, filters and fences.
  std::uint64_t disk_bytes = 0;
  std::uint64_t segments = 0;
  std::uint64_t filters_halved = 0;   ///< Segments with room for a smaller filter: some look-ups need the one on disk.
  std::uint64_t filters_on_disk = 0;  ///< Segments with room for none: each costs a look-up a read.
  std::uint64_t disk_reads = 0;       ///< Blocks and pages of filters read by look-ups since open.
};

/// What open() found.
struct KeySetReport {
  bool created = false;
  std::uint64_t claims = 0;
  std::uint64_t covered_to = 0;  ///< Every claim of the log's records below this offset is in durable segments.
};

/// The set of identities that are remembered: 128-bit fingerprints with content hash, owner and arrival, in a memory
/// table that is aged into immutable, sorted, checksummed segments with filters, dropped whole when they expire.
///
/// *Durability*: a claim is durable when its record is in the log; the key set is rebuilt at start from its last
/// checkpoint plus the log from covered_to(). Segments and manifest are synced before covered_to() moves; the log must
/// keep everything from covered_to() on. *Concurrency*: claim, release, restore, checkpoint_if_due, expire from one
/// thread, the committer; covered_to() and stats() from any. One background thread writes and merges segments.
/// *Limits*: memory_bytes holds between calls of checkpoint_if_due, plus what one call claims; buffers of at most 2 MiB
/// for writing and merging come on top. When 7/8 of it don't hold all filters, those of the oldest segments are halved
/// to a half, a quarter, an eighth, and at last stay on disk. Times are from 1970 to 2540. Format:
/// docs/formats/keyset.md.
class KeySet {
 public:
  /// Opens or makes the key set of log `log_id` (16 bytes; another log's directory is refused with kRefused).
  /// Errors: kCorrupt when a segment or the manifest can't be used: names the file and the remedy.
  static Result<std::unique_ptr<KeySet>> open(FileSystem& files, Random& random, Metrics& metrics,
                                              KeySetOptions options, const std::array<std::byte, 16>& log_id,
                                              KeySetReport& report);
  ~KeySet();
  KeySet(const KeySet&) = delete;
  KeySet& operator=(const KeySet&) = delete;

  /// The store's secret: made at random with the store and kept in its manifest.
  const FingerprintKey& fingerprint_key() const noexcept;

  /// Decides `requests` in order, each seeing those before it: an identity known and not expired at `now` is
  /// answered with its owner; an unknown one becomes known, owned by (offset, index) with index counting the new ones
  /// of this call from 0. `answers` has the size of `requests`. Arrivals never fall; an earlier one counts as the last.
  /// `now` is trusted time, on the arrival scale as for expire(): behind `arrival` while the clock is in doubt.
  /// Errors: kIo, kCorrupt when a segment can't be read, kTooLarge when a position has no room; then nothing of the
  /// call is remembered.
  Result<void> claim(std::span<const ClaimRequest> requests, std::uint64_t offset, Timestamp arrival, Timestamp now,
                     std::span<ClaimAnswer> answers);

  /// Forgets what the last claim() remembered; nothing may have been claimed since.
  void release(std::span<const ClaimRequest> requests, std::span<const ClaimAnswer> answers);

  /// Puts back a claim read from the log at start, in the log's order from covered_to() on, with checkpoint_if_due()
  /// between records as when claiming. The log's word is final: a later record owns an identity that
  /// an earlier one had let expire. One of a record that a checkpoint covers is passed over.
  Result<void> restore(const Fingerprint& identity, std::uint64_t content, OwnerPosition owner, Timestamp arrival);

  /// When the table has reached its share of memory, or `force`: freezes it, for the background thread to write out.
  /// Every claim of records below `offset` must have been made and be in the log, and none of others. Waits if the
  /// previous table is still being written. Errors: background_error(); kDiskFull when the previous table can't be
  /// written for want of space: nothing is lost, and the background thread tries again every second.
  Result<void> checkpoint_if_due(std::uint64_t offset, bool force = false);

  /// Waits until the frozen table is durable. For shutdown and tests. Errors as checkpoint_if_due.
  Result<void> wait_for_checkpoint();

  /// Has the background thread drop the segments whose last claim expired before `now`; `now` is trusted time, on the
  /// arrival scale. Nothing is ever dropped for another reason. Errors: background_error().
  Result<void> expire(Timestamp now);

  /// Records below this offset are no longer needed to rebuild the set.
  std::uint64_t covered_to() const noexcept;

  /// The error that stopped the background thread, if one did; the committer must then stop taking claims.
  std::optional<Error> background_error() const;

  /// Without a background thread: does one bounded piece of its work (writing, dropping, merging). False when there is
  /// nothing to do.
  Result<bool> step();

  KeySetStats stats() const;

 private:
  struct Impl;
  explicit KeySet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::keyset
