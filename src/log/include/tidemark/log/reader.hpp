#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <memory>
#include <string>
#include <vector>

#include "tidemark/log/types.hpp"

namespace tidemark::log {

class Log;

/// Bounds of one read. At least one record is returned when there is one, whatever its size.
struct ReadLimits {
  std::size_t records = 100'000;
  std::size_t bytes = 16u << 20;
};

/// What a read found: records [first, next) in order, less the damaged spans. Owns the bytes that its records view.
struct Page {
  std::vector<Record> records;
  std::vector<Damage> damage;
  Offset next = 0;             ///< Where the next read goes on.
  bool at_end = false;         ///< `next` is the synced end that was in force when the read began.
  /// Arrival of the last group that lies wholly before `next`: everything that arrived before it is at or before
  /// `next`. Nothing when no such group was seen since seek().
  std::optional<Timestamp> last_arrival;
  std::vector<std::unique_ptr<std::byte[]>> memory;
  void clear();
};

/// Reads a log forward by position; sees only synced records. *Concurrency*: one thread at a time, beside the committer.
class Reader {
 public:
  ~Reader();
  /// Goes to the record `offset`, first_offset() <= offset <= synced_end(). Errors: kNotFound when it was trimmed away
  /// or lies beyond the end.
  Result<void> seek(Offset offset);
  /// Reads on from where the reader stands. An empty page with at_end set means that there is nothing yet.
  /// Errors: kNotFound (trimmed away under the reader), kIo. Damage is not an error: the page names it.
  Result<void> read(const ReadLimits& limits, Page& page);
  /// The sticky records in force where the reader stands, by kind, copies; e.g. the meter definitions.
  const std::map<RecordKind, std::string>& sticky() const noexcept;
  Offset position() const noexcept;

 private:
  friend class Log;
  struct Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::log
