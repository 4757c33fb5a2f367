#include "segment.hpp"

#include <algorithm>

namespace tidemark::keyset {
namespace {

constexpr std::uint64_t kPagesPerRead = 256;  // 256 KiB
constexpr std::uint64_t kBlocksPerScan = 16;  // 64 KiB

}  // namespace

Result<std::shared_ptr<const Segment>> Segment::open(FileSystem& files, const std::string& directory,
                                                     const LogId& log_id, std::uint64_t number,
                                                     std::uint64_t footer_checksum) {
  const std::string path = segment_path(directory, number);
  auto file = files.open(path, OpenMode::kRead);
  if (!file && file.error().code() == Errc::kNotFound) return fail(corrupt(path, "a segment is missing"));
  if (!file) return fail(std::move(file).error());
  std::shared_ptr<Segment> segment(new Segment(path, std::move(*file)));
  TIDEMARK_TRY(segment->read_footer(log_id, number, footer_checksum));
  TIDEMARK_TRY(segment->read_fences());
  return segment;
}

Result<void> Segment::read_footer(const LogId& log_id, std::uint64_t number, std::uint64_t footer_checksum) {
  TIDEMARK_TRY_ASSIGN(const std::uint64_t size, file_->size());
  if (size < sizeof(Footer)) return fail(corrupt(path_, "a segment is cut short"));
  TIDEMARK_TRY(read(size - sizeof(Footer), std::as_writable_bytes(std::span(&footer_, 1))));
  if (footer_.magic != kSegmentMagic || footer_.checksum != footer_.compute_checksum()) {
    return fail(corrupt(path_, "a segment's footer fails its checksum"));
  }
  if (footer_.version != kSegmentVersion) {
    return fail(Errc::kUnsupported,
                "a segment of the key set has a version that isn't known here; run the program "
                "that wrote it: " +
                    path_);
  }
  if (footer_.log_id != log_id || footer_.number != number || footer_.checksum != footer_checksum) {
    return fail(corrupt(path_, "a segment isn't the one that the manifest names"));
  }
  // The two bounds keep the arithmetic of the offsets from overflowing.
  if (footer_.entries == 0 || footer_.entries > size || footer_.filter_lines == 0 || footer_.filter_lines > size ||
      footer_.min_arrival < 0 || footer_.max_arrival < footer_.min_arrival || footer_.file_bytes() != size) {
    return fail(corrupt(path_, "a segment's footer doesn't fit its size"));
  }
  seed_ = footer_.seed();
  return {};
}

Result<void> Segment::read_fences() {
  fences_.resize(footer_.blocks());
  TIDEMARK_TRY(read(footer_.fences_offset(), std::as_writable_bytes(std::span(fences_))));
  if (footer_.fences_checksum != fences_checksum(fences_, seed_) || !std::ranges::is_sorted(fences_)) {
    return fail(corrupt(path_, "a segment's fences fail their checksum"));
  }
  return {};
}

std::shared_ptr<const Filter> Filter::halved(unsigned halvings) const {
  std::vector<FilterLine> lines(lines_at(halvings, whole_lines_));
  for (std::size_t i = 0; i < lines_.size(); ++i) lines[i >> (halvings - halvings_)].add(lines_[i]);
  return std::make_shared<const Filter>(std::move(lines), whole_lines_, halvings);
}

Result<std::shared_ptr<const Filter>> Segment::load_filter(unsigned halvings) const {
  std::vector<FilterLine> lines(Filter::lines_at(halvings, footer_.filter_lines));
  std::uint64_t line = 0;
  std::vector<FilterPage> pages;
  for (std::uint64_t first = 0; first < footer_.filter_pages(); first += pages.size()) {
    pages.resize(std::min(kPagesPerRead, footer_.filter_pages() - first));
    TIDEMARK_TRY(read(first * sizeof(FilterPage), std::as_writable_bytes(std::span(pages))));
    for (std::size_t i = 0; i < pages.size(); ++i) {
      TIDEMARK_TRY(check(pages[i], first + i));
      const std::uint64_t end = std::min(line + kLinesPerFilterPage, footer_.filter_lines);
      for (const FilterLine& read : std::span(pages[i].lines).first(end - line)) lines[line++ >> halvings].add(read);
    }
  }
  return std::make_shared<const Filter>(std::move(lines), footer_.filter_lines, halvings);
}

std::uint64_t Segment::filter_line_of(const Fingerprint& identity) const noexcept {
  return place_of(identity.high, footer_.filter_lines);
}

void Segment::will_ask(const Fingerprint& identity) const {
  file_->will_read(filter_line_of(identity) / kLinesPerFilterPage * sizeof(FilterPage), sizeof(FilterPage));
}

Result<bool> Segment::may_hold(const Fingerprint& identity) const {
  const std::uint64_t line = filter_line_of(identity);
  const std::uint64_t number = line / kLinesPerFilterPage;
  FilterPage page;
  TIDEMARK_TRY(read(number * sizeof page, std::as_writable_bytes(std::span(&page, 1))));
  TIDEMARK_TRY(check(page, number));
  return page.lines[line % kLinesPerFilterPage].may_hold(FilterBits(identity.low));
}

void Segment::will_find(const Fingerprint& identity) const {
  if (identity.high < fences_.front()) return;
  file_->will_read(footer_.blocks_offset() + last_block_from(identity.high) * sizeof(Block), sizeof(Block));
}

Result<std::optional<Entry>> Segment::find(const Fingerprint& identity) const {
  if (identity.high < fences_.front()) return std::nullopt;
  Block block;
  for (std::uint64_t number = last_block_from(identity.high);; --number) {
    TIDEMARK_TRY(read_blocks(number, std::span(&block, 1)));
    const auto end = block.entries.begin() + block.count;
    const auto at = std::lower_bound(block.entries.begin(), end, Entry{.high = identity.high, .low = identity.low},
                                     [](const Entry& a, const Entry& b) { return a.before(b); });
    if (at != end && at->is(identity)) return *at;
    // Only when fingerprints share their high half can the one before hold it.
    if (fences_[number] != identity.high || number == 0) return std::nullopt;
  }
}

/// The last block that begins at or before `high`, which isn't below the first fence. Fingerprints are uniform, so the
/// search starts where the block should be and widens from there.
std::uint64_t Segment::last_block_from(std::uint64_t high) const noexcept {
  std::uint64_t low = place_of(high, fences_.size());
  std::uint64_t end = low;
  for (std::uint64_t step = 4; fences_[low] > high; step *= 2) {
    end = low;
    low = low > step ? low - step : 0;
  }
  for (std::uint64_t step = 4; end < fences_.size() && fences_[end] <= high; step *= 2) {
    low = end;
    end = std::min<std::uint64_t>(end + step, fences_.size());
  }
  const auto first = fences_.begin();
  return std::upper_bound(first + static_cast<std::ptrdiff_t>(low), first + static_cast<std::ptrdiff_t>(end), high) -
         first - 1;
}

Result<void> Segment::read_blocks(std::uint64_t first, std::span<Block> out) const {
  TIDEMARK_TRY(read(footer_.blocks_offset() + first * sizeof(Block), std::as_writable_bytes(out)));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t before = (first + i) * kEntriesPerBlock;
    if (out[i].checksum != block_checksum(out[i], seed_, first + i) ||
        out[i].count != std::min(kEntriesPerBlock, footer_.entries - before)) {
      return fail(corrupt(path_, "a segment's block fails its checksum"));
    }
  }
  return {};
}

Result<void> Segment::read(std::uint64_t offset, std::span<std::byte> out) const {
  TIDEMARK_TRY_ASSIGN(const std::size_t got, file_->read_at(offset, out));
  if (got != out.size()) return fail(corrupt(path_, "a segment is cut short"));
  return {};
}

Result<void> Segment::check(const FilterPage& page, std::uint64_t number) const {
  if (page.checksum == filter_page_checksum(page, seed_, number)) return {};
  return fail(corrupt(path_, "a segment's filter fails its checksum"));
}

Result<void> SegmentScan::advance() {
  if (head_ != nullptr) {
    last_ = *head_;
    ++entry_;
  }
  if (block_ < blocks_.size() && entry_ == blocks_[block_].count) {
    entry_ = 0;
    ++block_;
  }
  if (block_ == blocks_.size()) TIDEMARK_TRY(read_on());
  head_ = block_ < blocks_.size() ? &blocks_[block_].entries[entry_] : nullptr;
  if (head_ != nullptr && last_ && !last_->before(*head_)) {
    return fail(corrupt(segment_->path(), "a segment's entries are out of order"));
  }
  return {};
}

Result<void> SegmentScan::read_on() {
  block_ = 0;
  blocks_.resize(std::min(kBlocksPerScan, segment_->footer().blocks() - next_block_));
  TIDEMARK_TRY(segment_->read_blocks(next_block_, blocks_));
  next_block_ += blocks_.size();
  return {};
}

}  // namespace tidemark::keyset
