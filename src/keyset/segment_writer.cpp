#include "segment_writer.hpp"

#include <algorithm>

#include "tidemark/base/assert.hpp"
#include "tidemark/base/crash_point.hpp"

namespace tidemark::keyset {
namespace {

constexpr std::size_t kPagesPerWrite = 64;   // 64 KiB
constexpr std::size_t kBlocksPerWrite = 64;  // 256 KiB
/// Long files are synced as they grow, so that no single sync holds the background thread for seconds.
constexpr std::uint64_t kSyncEvery = 16u << 20;

}  // namespace

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(FileSystem& files, const std::string& directory,
                                                             const LogId& log_id, std::uint64_t number,
                                                             std::uint64_t max_entries) {
  TIDEMARK_ASSERT(max_entries > 0);
  const std::string path = segment_path(directory, number);
  TIDEMARK_TRY_ASSIGN(auto file, files.open(path, OpenMode::kCreateNew));
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(files, path, std::move(file)));
  writer->footer_.log_id = log_id;
  writer->footer_.number = number;
  writer->footer_.filter_lines = filter_lines_for(max_entries);
  writer->seed_ = writer->footer_.seed();
  writer->max_entries_ = max_entries;
  writer->pages_.reserve(std::min<std::uint64_t>(kPagesPerWrite, writer->footer_.filter_pages()));
  writer->pages_.emplace_back();
  writer->blocks_.reserve(std::min<std::uint64_t>(kBlocksPerWrite, max_entries / kEntriesPerBlock + 1));
  return writer;
}

SegmentWriter::~SegmentWriter() {
  if (finished_) return;
  file_.reset();
  static_cast<void>(files_.remove(path_));  // If it stays, the next open() removes it.
}

Result<void> SegmentWriter::add(const Entry& entry) {
  TIDEMARK_ASSERT(footer_.entries < max_entries_ && (footer_.entries == 0 || last_.before(entry)));
  if (blocks_.empty() || blocks_.back().count == kEntriesPerBlock) {
    TIDEMARK_TRY(end_block());
    blocks_.emplace_back();
    fences_.push_back(entry.high);
  }
  Block& block = blocks_.back();
  block.entries[block.count++] = entry;
  TIDEMARK_TRY(go_to_line(place_of(entry.high, footer_.filter_lines)));
  pages_.back().lines[line_ % kLinesPerFilterPage].add(FilterBits(entry.low));

  const std::int64_t arrival = entry.arrival();
  footer_.min_arrival = footer_.entries == 0 ? arrival : std::min(footer_.min_arrival, arrival);
  footer_.max_arrival = footer_.entries == 0 ? arrival : std::max(footer_.max_arrival, arrival);
  ++footer_.entries;
  last_ = entry;
  return {};
}

Result<Footer> SegmentWriter::finish() {
  TIDEMARK_ASSERT(footer_.entries > 0);
  TIDEMARK_TRY(end_block());
  TIDEMARK_TRY(flush_blocks());
  TIDEMARK_TRY(go_to_line(footer_.filter_lines - 1));
  TIDEMARK_TRY(end_page());
  TIDEMARK_TRY(flush_pages());
  footer_.fences_checksum = fences_checksum(fences_, seed_);
  footer_.checksum = footer_.compute_checksum();
  TIDEMARK_TRY(write(footer_.fences_offset(), std::as_bytes(std::span(fences_))));
  TIDEMARK_TRY(write(footer_.footer_offset(), std::as_bytes(std::span(&footer_, 1))));
  TIDEMARK_CRASH_POINT("keyset.segment_written");
  TIDEMARK_TRY(file_->sync());
  TIDEMARK_CRASH_POINT("keyset.segment_synced");
  finished_ = true;
  return footer_;
}

/// Goes on to filter line `line`, writing out the pages that are complete.
Result<void> SegmentWriter::go_to_line(std::uint64_t line) {
  while (line / kLinesPerFilterPage > line_ / kLinesPerFilterPage) {
    TIDEMARK_TRY(end_page());
    pages_.emplace_back();
    line_ = (line_ / kLinesPerFilterPage + 1) * kLinesPerFilterPage;
  }
  line_ = line;
  return {};
}

Result<void> SegmentWriter::end_page() {
  pages_.back().checksum = filter_page_checksum(pages_.back(), seed_, pages_flushed_ + pages_.size() - 1);
  if (pages_.size() == kPagesPerWrite) return flush_pages();
  return {};
}

Result<void> SegmentWriter::end_block() {
  if (blocks_.empty()) return {};
  blocks_.back().checksum = block_checksum(blocks_.back(), seed_, blocks_flushed_ + blocks_.size() - 1);
  if (blocks_.size() == kBlocksPerWrite) return flush_blocks();
  return {};
}

Result<void> SegmentWriter::flush_pages() {
  TIDEMARK_TRY(write(pages_flushed_ * sizeof(FilterPage), std::as_bytes(std::span(pages_))));
  pages_flushed_ += pages_.size();
  pages_.clear();
  return {};
}

Result<void> SegmentWriter::flush_blocks() {
  TIDEMARK_TRY(write(footer_.blocks_offset() + blocks_flushed_ * sizeof(Block), std::as_bytes(std::span(blocks_))));
  blocks_flushed_ += blocks_.size();
  blocks_.clear();
  return {};
}

Result<void> SegmentWriter::write(std::uint64_t offset, Bytes bytes) {
  if (bytes.empty()) return {};
  TIDEMARK_TRY(file_->write_at(offset, bytes));
  unsynced_bytes_ += bytes.size();
  if (unsynced_bytes_ < kSyncEvery) return {};
  unsynced_bytes_ = 0;
  return file_->sync();
}

}  // namespace tidemark::keyset
