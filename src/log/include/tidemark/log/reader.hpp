#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tidemark/log/types.hpp"

namespace tidemark::log {

class Log;

/// Bounds of one read. At least one record is returned when there is one, whatever its size. A read that stops within a
/// group reads and checks that group again when it goes on, so bounds far below a group's size cost time.
struct ReadLimits {
  std::size_t records = 100'000;
  std::size_t bytes = 16u << 20;  ///< Of payload.
};

/// Memory that is handed out in pieces and taken back all at once, to be handed out again.
class PageMemory {
 public:
  /// Hands out `size` bytes of any content; they stay where they are until clear().
  std::span<std::byte> allocate(std::size_t size);
  /// Takes everything back without freeing it.
  void clear() noexcept { used_ = 0; }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size;
  };
  std::vector<Block> blocks_;  // The first used_ are handed out.
  std::size_t used_ = 0;
};

/// What a read found: records [first, next) in order, less the damaged spans. Owns the bytes that its records view.
/// Reading into the same page again reuses its memory.
struct Page {
  std::vector<Record> records;
  std::vector<Damage> damage;
  Offset next = 0;      ///< Where the next read goes on.
  bool at_end = false;  ///< `next` is not before the synced end that was in force when the read began.
  /// Arrival of the last group that lies wholly before `next`: everything that arrived before it is at or before
  /// `next`. Nothing when no such group was seen since seek().
  std::optional<Timestamp> last_arrival;
  PageMemory memory;
  void clear();
};

/// Reads a log forward by position; sees only synced records. *Concurrency*: one thread at a time, beside the
/// committer, trimming and other readers.
class Reader {
 public:
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Goes to the record `offset`, first_offset() <= offset <= synced_end(). Near the end it costs a read or two; in a
  /// segment that was there before this start, up to one pass over that segment's frame heads. Errors: kNotFound when
  /// it was trimmed away or lies beyond the end; kIo. A new reader stands at 0.
  Result<void> seek(Offset offset);

  /// Clears `page` and reads on from where the reader stands. An empty page with at_end set means that there is nothing
  /// yet. Damage is not an error: the page names it, and a sticky record within it is still handed out when its second
  /// copy is whole. Errors: kNotFound (trimmed away under the reader), kIo, kCorrupt (both copies of a sticky record
  /// are damaged, so that what follows can't be understood); the reader then still stands where it stood.
  Result<void> read(const ReadLimits& limits, Page& page);

  /// The sticky records in force where the reader stands, by kind, e.g. the meter definitions. Valid until the next
  /// call of seek() or read().
  const std::map<RecordKind, std::string>& sticky() const noexcept;
  Offset position() const noexcept;

 private:
  friend class Log;
  struct Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::log
