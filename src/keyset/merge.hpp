#pragma once

#include <memory>
#include <vector>

#include "segment.hpp"
#include "segment_writer.hpp"

namespace tidemark::keyset {

/// Merges neighbouring segments into one, a bounded piece at a time. Of claims of the same identity the newest stays:
/// the older ones had expired when it was made. Claims that have expired are left out.
class Merge {
 public:
  /// Begins segment `number` from `inputs`, oldest first. Claims with is_expired(arrival, now, window) are dropped.
  static Result<std::unique_ptr<Merge>> begin(FileSystem& files, const std::string& directory, const LogId& log_id,
                                              std::uint64_t number, std::vector<std::shared_ptr<const Segment>> inputs,
                                              std::int64_t now, std::int64_t window);

  /// Goes on by a bounded piece.
  Result<void> step();
  /// True once the output is complete and synced.
  bool is_complete() const noexcept { return writer_ == nullptr; }

  const std::vector<std::shared_ptr<const Segment>>& inputs() const noexcept { return inputs_; }
  /// The output once complete; null when no claim was left.
  const std::shared_ptr<const Segment>& output() const noexcept { return output_; }

 private:
  Merge(FileSystem& files, std::string directory, const LogId& log_id, std::uint64_t number,
        std::vector<std::shared_ptr<const Segment>> inputs, std::int64_t now, std::int64_t window);
  Result<void> merge_one();
  Result<void> finish();

  FileSystem& files_;
  const std::string directory_;
  const LogId log_id_;
  const std::uint64_t number_;
  const std::vector<std::shared_ptr<const Segment>> inputs_;
  const std::int64_t now_;
  const std::int64_t window_;
  std::vector<std::unique_ptr<SegmentScan>> scans_;  ///< Oldest first; those at their end are gone.
  std::unique_ptr<SegmentWriter> writer_;            ///< Null once complete.
  std::shared_ptr<const Segment> output_;
};

}  // namespace tidemark::keyset
