#include "tidemark/log/reader.hpp"

#include <algorithm>
#include <utility>

#include "damage.hpp"
#include "read_window.hpp"
#include "reader_impl.hpp"

namespace tidemark::log {
namespace {

constexpr std::size_t kReadChunk = 1u << 20;
constexpr std::size_t kReadChunkMin = 64u << 10;
constexpr std::size_t kHopChunk = 16u << 10;  // Hopping over frames needs their heads alone.

tl::unexpected<Error> trimmed(Offset offset) {
  return fail(Errc::kNotFound, "the log no longer holds this record: " + std::to_string(offset));
}

Result<std::unique_ptr<File>> open_segment(FileSystem& files, const SegmentView& segment, Offset offset) {
  auto file = files.open(segment.path, OpenMode::kRead);
  if (!file && file.error().code() == Errc::kNotFound) return trimmed(offset);
  return file;
}

Result<std::optional<FoundFrame>> find_next(ReadWindow& window, const SegmentView& segment, std::uint64_t at,
                                            Offset expected) {
  return find_frame(window, segment.head->space, at + kFrameAlignment, segment.data_end, segment.head->file_bytes,
                    [expected](const FrameHead& head) { return head.first >= expected; });
}

/// The sticky records in force behind a whole frame; those of its records at or after `before` don't count.
StickyPtr sticky_after(const FrameHead& head, Bytes frame, StickyPtr sticky, Offset before) {
  if (head.is_echo()) {
    ByteReader in(body_of(head, frame));
    auto echoed = Sticky::parse(in);
    return echoed ? std::make_shared<const Sticky>(std::move(*echoed)) : sticky;
  }
  auto changed = std::make_shared<Sticky>(*sticky);
  visit_records(head, body_of(head, frame), [&](Offset offset, RecordKind kind, Bytes payload) {
    if (offset >= before) return false;
    if (is_sticky(kind)) changed->set(kind, offset, payload);
    return true;
  });
  return changed;
}

}  // namespace

/// Goes from a known frame to the one that holds an offset, reading heads, and of bodies only those that change what is
/// in force.
class Hop {
 public:
  Hop(const SegmentView& segment, File& file)
      : segment_(segment),
        window_(file, segment.data_end, kHopChunk, memory_, ReadWindow::Memory::kRecycle),
        at_(segment.mark.at),
        expected_(segment.mark.first),
        sticky_(segment.mark.sticky) {}

  Result<void> to(Offset offset) {
    while (at_ < segment_.data_end) {
      TIDEMARK_TRY_ASSIGN(const auto head, head_here());
      if (!head) {
        TIDEMARK_TRY_ASSIGN(const auto next, find_next(window_, segment_, at_, expected_));
        if (!next || next->head.first > offset) return {};  // Within the damage, which the next read reports.
        at_ = next->at;
        expected_ = next->head.first;
        continue;
      }
      if (head->has_sticky() || head->is_echo()) TIDEMARK_TRY(take_sticky(*head, offset));
      if (!head->is_echo() && head->end() > offset) return {};
      at_ += head->frame_bytes();
      expected_ = head->end();
    }
    return {};
  }

  std::uint64_t at() const noexcept { return at_; }
  Offset expected() const noexcept { return expected_; }
  const StickyPtr& sticky() const noexcept { return sticky_; }

 private:
  Result<std::optional<FrameHead>> head_here() {
    TIDEMARK_TRY_ASSIGN(const Bytes bytes, window_.view(at_, kFrameHeadBytes));
    auto head = read_frame_head(bytes, segment_.head->space, at_, segment_.head->file_bytes);
    if (head && head->first != expected_) head.reset();
    return head;
  }

  Result<void> take_sticky(const FrameHead& head, Offset before) {
    TIDEMARK_TRY_ASSIGN(const Bytes frame, window_.view(at_, head.frame_bytes()));
    if (body_is_whole(head, frame)) sticky_ = sticky_after(head, frame, std::move(sticky_), before);
    return {};
  }

  const SegmentView& segment_;
  PageMemory memory_;
  ReadWindow window_;
  std::uint64_t at_;
  Offset expected_;
  StickyPtr sticky_;
};

/// One read: fills a page from where the reader stands.
class PageFill {
 public:
  PageFill(ReadState& reader, const ReadLimits& limits, Page& page) : reader_(reader), limits_(limits), page_(page) {
    open_window();
  }

  Result<void> run() {
    while (true) {
      if (reader_.at >= reader_.segment.data_end) {
        if (!reader_.segment.sealed) return {};
        end_segment();
        TIDEMARK_TRY(enter_next());
        continue;
      }
      if (is_full()) return {};  // Never between damaged sticky records and their echo: damage fills no page.
      TIDEMARK_TRY_ASSIGN(const bool goes_on, step());
      if (!goes_on) return {};
    }
  }

 private:
  void open_window() {
    const std::size_t chunk = std::clamp(limits_.bytes, kReadChunkMin, kReadChunk);
    window_.emplace(*reader_.file, reader_.segment.data_end, chunk, page_.memory, ReadWindow::Memory::kKeep);
  }

  bool is_full() const noexcept {
    return !page_.records.empty() && (page_.records.size() >= limits_.records || bytes_ >= limits_.bytes);
  }

  bool has_room_for(Bytes payload) const noexcept {
    return page_.records.empty() || (!is_full() && payload.size() <= limits_.bytes - bytes_);
  }

  /// Takes the frame at reader_.at, or as much of it as the page has room for; false when the page is full.
  Result<bool> step() {
    const SegmentHead& segment = *reader_.segment.head;
    TIDEMARK_TRY_ASSIGN(const Bytes start, window_->view(reader_.at, kFrameHeadBytes));
    const auto head = read_frame_head(start, segment.space, reader_.at, segment.file_bytes);
    if (!head || head->first != reader_.expected) {
      TIDEMARK_TRY(skip_bad_head());
      return true;
    }
    TIDEMARK_TRY_ASSIGN(const Bytes frame, window_->view(reader_.at, head->frame_bytes()));
    if (!body_is_whole(*head, frame)) {
      add_damage(head->end(), "the group's body fails its checksum");
      leave(*head);
      return true;
    }
    if (head->is_echo()) {
      take_echo(*head, frame);
      return true;
    }
    TIDEMARK_TRY(check_sticky(*head));
    return take_records(*head, frame);
  }

  /// True when the whole frame was taken.
  bool take_records(const FrameHead& head, Bytes frame) {
    damaged_from_.reset();
    bool stopped = false;
    const bool sound = visit_records(head, body_of(head, frame), [&](Offset offset, RecordKind kind, Bytes payload) {
      if (offset < reader_.position) return true;
      stopped = !has_room_for(payload);
      if (!stopped) hand_out({offset, kind, head.arrival, payload});
      return !stopped;
    });
    if (stopped) return false;
    if (!sound) add_damage(head.end(), "the group's records break their form");
    leave(head);
    return true;
  }

  void hand_out(const Record& record) {
    page_.records.push_back(record);
    bytes_ += record.payload.size();
    reader_.position = record.offset + 1;
    if (!is_sticky(record.kind)) return;
    auto changed = std::make_shared<Sticky>(*reader_.sticky);
    changed->set(record.kind, record.offset, record.payload);
    reader_.sticky = std::move(changed);
  }

  void take_echo(const FrameHead& head, Bytes frame) {
    const StickyPtr echoed = sticky_after(head, frame, reader_.sticky, head.first);
    if (damaged_from_) {
      for (const RescuedRecord& rescued : rescued_records(*echoed, *reader_.sticky, *damaged_from_)) {
        exclude_from_last(page_.damage, rescued.offset);
        page_.records.push_back({rescued.offset, rescued.kind, head.arrival, keep(echoed, rescued.kind)});
      }
    }
    damaged_from_.reset();
    reader_.sticky = echoed;
    leave(head);
  }

  /// Copies a sticky payload into the page's memory.
  Bytes keep(const StickyPtr& sticky, RecordKind kind) {
    const Bytes payload = as_bytes(sticky->payloads().at(kind));
    const std::span<std::byte> copy = page_.memory.allocate(payload.size());
    std::ranges::copy(payload, copy.begin());
    return copy;
  }

  Result<void> check_sticky(const FrameHead& head) const {
    // Within a frame some of its own sticky records are in force already.
    if (reader_.position > head.first || head.sticky_end == reader_.sticky->end()) return {};
    return fail(Errc::kCorrupt,
                "both copies of a sticky record (start or definitions) are damaged, so that the records after it can't "
                "be understood; restore the log from a backup, with the database of the same time: before record " +
                    std::to_string(head.first));
  }

  Result<void> skip_bad_head() {
    TIDEMARK_TRY_ASSIGN(const auto next, find_next(*window_, reader_.segment, reader_.at, reader_.expected));
    const Offset end = next ? next->head.first : reader_.segment.end;
    add_damage(end, "the group's head fails its checksum");
    reader_.at = next ? next->at : reader_.segment.data_end;
    reader_.expected = end;
    reader_.position = std::max(reader_.position, end);
    return {};
  }

  /// Records up to the segment's end that no frame held.
  void end_segment() {
    if (reader_.position < reader_.segment.end) add_damage(reader_.segment.end, "the segment's last groups are gone");
    reader_.expected = reader_.segment.end;
    reader_.position = std::max(reader_.position, reader_.segment.end);
    damaged_from_.reset();
  }

  Result<void> enter_next() {
    auto next = reader_.catalog.find(reader_.position);
    if (!next) return trimmed(reader_.position);
    TIDEMARK_TRY_ASSIGN(auto file, open_segment(reader_.files, *next, reader_.position));
    reader_.segment = std::move(*next);
    reader_.file = std::move(file);
    reader_.at = reader_.segment.head->head_bytes;
    reader_.expected = reader_.segment.head->first;
    reader_.sticky = reader_.segment.head->sticky;
    open_window();
    return {};
  }

  void add_damage(Offset end, std::string_view what) {
    const Offset from = reader_.position;
    if (!damaged_from_) damaged_from_ = from;
    if (from >= end) return;
    page_.damage.push_back({from, end,
                            std::string(what) + " at byte " + std::to_string(reader_.at) + " of " +
                                segment_name(reader_.segment.head->first)});
  }

  void leave(const FrameHead& head) {
    reader_.at += head.frame_bytes();
    reader_.expected = head.end();
    reader_.position = std::max(reader_.position, head.end());
    reader_.last_arrival = head.arrival;
  }

  ReadState& reader_;
  const ReadLimits& limits_;
  Page& page_;
  std::optional<ReadWindow> window_;
  std::size_t bytes_ = 0;
  std::optional<Offset> damaged_from_;  // Where the damage just before reader_.at begins.
};

Result<void> Reader::Impl::seek(Offset offset) {
  state.file.reset();
  auto found = state.catalog.find(offset);
  if (!found) return trimmed(offset);
  TIDEMARK_TRY_ASSIGN(auto opened, open_segment(state.files, *found, offset));
  Hop hop(*found, *opened);
  TIDEMARK_TRY(hop.to(offset));
  state.at = hop.at();
  state.expected = hop.expected();
  state.position = offset;
  state.sticky = hop.sticky();
  state.last_arrival.reset();
  state.segment = std::move(*found);
  state.file = std::move(opened);
  return {};
}

Result<void> Reader::Impl::read(const ReadLimits& limits, Page& page) {
  page.clear();
  if (state.file == nullptr) TIDEMARK_TRY(seek(state.position));  // Never sent anywhere, or the last read failed.
  const Offset end = state.catalog.synced_end();
  auto now = state.catalog.find(state.segment.head->first);
  if (!now) return trimmed(state.position);
  state.segment = std::move(*now);

  const Offset began = state.position;
  const StickyPtr in_force = state.sticky;
  PageFill fill(state, limits, page);
  if (auto filled = fill.run(); !filled) {
    page.clear();
    state.file.reset();
    state.position = began;
    state.sticky = in_force;
    return filled;
  }
  page.next = state.position;
  page.at_end = state.position >= end;
  page.last_arrival = state.last_arrival;
  return {};
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

Result<void> Reader::seek(Offset offset) {
  return impl_->seek(offset);
}
Result<void> Reader::read(const ReadLimits& limits, Page& page) {
  return impl_->read(limits, page);
}
const std::map<RecordKind, std::string>& Reader::sticky() const noexcept {
  return impl_->state.sticky->payloads();
}
Offset Reader::position() const noexcept {
  return impl_->state.position;
}

}  // namespace tidemark::log
