#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tidemark/base/clock.hpp"
#include "tidemark/flow/log_fold.hpp"
#include "tidemark/log/log.hpp"

namespace tidemark::flow {

/// When a page is full.
struct PageBounds {
  std::size_t items = 0;
  std::size_t bytes = 0;
  std::size_t rows = 0;
};

/// Gathers one page at a time: reads the log on from a position and folds what it reads.
class PageGatherer {
 public:
  PageGatherer(log::Log& log, LogFold& fold, Clock& clock);

  /// Starts an empty page at `from`, in place of what was gathered.
  Result<void> begin(log::Position from, Care care, PageBounds bounds);

  /// Reads on until the page is full, the log's end is reached, or `enough` has passed since its first record was read.
  Result<void> read_on(microseconds enough);

  bool begun() const noexcept { return begun_; }
  void drop() noexcept { begun_ = false; }

  /// Nothing was read yet: no record and no damaged span.
  bool empty() const noexcept { return next_ == from_; }
  bool full() const noexcept;
  bool at_end() const noexcept { return at_end_; }
  Care care() const noexcept { return care_; }
  log::Position from() const noexcept { return from_; }
  /// Where the page after this one begins.
  log::Position next() const noexcept { return next_; }
  std::size_t items() const noexcept { return items_; }
  /// Of the records of which this page takes the last item.
  std::size_t finished_bytes() const noexcept { return finished_bytes_; }
  /// When the first record was read.
  MonotonicTime started() const noexcept { return started_; }
  /// Everything acknowledged before is at or before next(). Nothing where that isn't known.
  std::optional<Timestamp> complete_through() const noexcept { return complete_through_; }
  /// One for each damaged span.
  const std::vector<DeadLetter>& damage() const noexcept { return damage_; }
  /// The dead letter of the page's last item. Only for a page that has items, and before anything else is read.
  DeadLetter describe_last_item() const;

 private:
  Result<void> read_once();
  void complete_until(std::optional<Timestamp> time);
  void take_damage_before(log::Offset end);
  void take(const log::Record& record);

  LogFold& fold_;
  Clock& clock_;
  const std::unique_ptr<log::Reader> reader_;
  log::Page read_;  // The last read; its records are in use until the next.

  bool begun_ = false;
  Care care_ = Care::kFast;
  PageBounds bounds_;
  log::Position from_;
  log::Position next_;
  bool at_end_ = false;
  std::size_t items_ = 0;
  std::size_t bytes_ = 0;
  std::size_t finished_bytes_ = 0;
  MonotonicTime started_{};
  std::optional<Timestamp> complete_through_;
  std::vector<DeadLetter> damage_;
  std::size_t damage_taken_ = 0;              // Of read_.damage.
  const log::Record* last_record_ = nullptr;  // Of the last item, in read_.
  std::uint32_t last_index_ = 0;
};

}  // namespace tidemark::flow
