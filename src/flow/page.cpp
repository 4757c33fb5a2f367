#include "page.hpp"

#include <algorithm>

#include "tidemark/base/assert.hpp"

namespace tidemark::flow {
namespace {

constexpr std::size_t kReadBytesMax = 16u << 20;
constexpr std::size_t kReadRecordsMax = 100'000;

}  // namespace

PageGatherer::PageGatherer(log::Log& log, LogFold& fold, Clock& clock)
    : fold_(fold), clock_(clock), reader_(log.reader()) {}

Result<void> PageGatherer::begin(log::Position from, Care care, PageBounds bounds) {
  begun_ = false;
  TIDEMARK_TRY(reader_->seek(from.offset));
  TIDEMARK_TRY(fold_.begin(reader_->sticky(), care));
  begun_ = true;
  care_ = care;
  bounds_ = bounds;
  from_ = from;
  next_ = from;
  at_end_ = false;
  items_ = 0;
  bytes_ = 0;
  finished_bytes_ = 0;
  complete_through_.reset();
  damage_.clear();
  last_record_ = nullptr;
  return {};
}

bool PageGatherer::full() const noexcept {
  return items_ >= bounds_.items || bytes_ >= bounds_.bytes || fold_.pending_rows() >= bounds_.rows;
}

Result<void> PageGatherer::read_on(microseconds enough) {
  TIDEMARK_ASSERT(begun_);
  do {
    TIDEMARK_TRY(read_once());
  } while (!at_end_ && !full() && clock_.monotonic() - started_ < enough);
  return {};
}

Result<void> PageGatherer::read_once() {
  const Timestamp before_reading = clock_.now();
  const bool was_empty = empty();
  last_record_ = nullptr;
  damage_taken_ = 0;
  // A page of few items, where one at fault is looked for, doesn't read megabytes to use one record of them.
  const log::ReadLimits limits{.records = std::min(kReadRecordsMax, bounds_.items - items_),
                               .bytes = std::min(kReadBytesMax, bounds_.bytes - bytes_)};
  TIDEMARK_TRY(reader_->read(limits, read_));
  for (const log::Record& record : read_.records) {
    if (full()) break;
    take_damage_before(record.offset);
    take(record);
  }
  const auto left_out =
      std::ranges::find_if(read_.records, [&](const log::Record& record) { return record.offset >= next_.offset; });
  if (left_out != read_.records.end()) {
    if (next_.index == 0) take_damage_before(left_out->offset);
    at_end_ = false;
    complete_until(left_out->arrival);
  } else {
    take_damage_before(read_.next);
    next_ = {read_.next, 0};
    at_end_ = read_.at_end;
    complete_until(at_end_ ? before_reading : read_.last_arrival);
  }
  if (was_empty && !empty()) started_ = clock_.monotonic();
  return {};
}

void PageGatherer::complete_until(std::optional<Timestamp> time) {
  complete_through_ = std::max(complete_through_, time);  // Nothing is less than any time.
}

void PageGatherer::take_damage_before(log::Offset end) {
  for (; damage_taken_ < read_.damage.size() && read_.damage[damage_taken_].first < end; ++damage_taken_) {
    const log::Damage& span = read_.damage[damage_taken_];
    DeadLetter letter;
    letter.position = {span.first, span.first == from_.offset ? from_.index : 0};
    letter.reason = "corrupt";
    letter.detail = "damaged records of the log were skipped: " + span.detail +
                    ", from: " + std::to_string(span.first) + ", before: " + std::to_string(span.end);
    damage_.push_back(std::move(letter));
    next_ = {span.end, 0};
  }
}

void PageGatherer::take(const log::Record& record) {
  const std::uint32_t count = fold_.item_count(record);
  const std::uint32_t first = record.offset == from_.offset ? std::min(from_.index, count) : 0;
  const auto room = bounds_.items - items_;
  const std::uint32_t end = count - first <= room ? count : first + static_cast<std::uint32_t>(room);
  fold_.add(record, first, end);
  items_ += end - first;
  bytes_ += record.payload.size();
  if (end == count) finished_bytes_ += record.payload.size();
  if (end > first) {
    last_record_ = &record;
    last_index_ = end - 1;
  }
  next_ = end == count ? log::Position{record.offset + 1, 0} : log::Position{record.offset, end};
}

DeadLetter PageGatherer::describe_last_item() const {
  TIDEMARK_ASSERT(last_record_ != nullptr);
  DeadLetter letter = fold_.describe(*last_record_, last_index_);
  letter.position = {last_record_->offset, last_index_};
  return letter;
}

}  // namespace tidemark::flow
