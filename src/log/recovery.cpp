#include "recovery.hpp"

#include <algorithm>
#include <utility>

#include "damage.hpp"
#include "read_window.hpp"
#include "segment_preparer.hpp"

namespace tidemark::log {
namespace {

constexpr std::size_t kScanChunk = 1u << 20;

std::string place_of(const SegmentHead& head, std::uint64_t at) {
  return std::to_string(at) + " of " + segment_name(head.first);
}

Result<SegmentHead> head_of(FileSystem& files, const std::string& path) {
  TIDEMARK_TRY_ASSIGN(const auto file, files.open(path, OpenMode::kRead));
  return read_segment_head(*file, path);
}

Result<void> check_identity(const SegmentHead& head, const IdFile& id, const std::string& path) {
  if (head.space.log != id.log) {
    return fail(
        Errc::kRefused,
        "the log segment belongs to another log; move it away, or restore the whole directory from one backup: " +
            path + " of log " + head.space.log.to_string() + ", expected " + id.log.to_string());
  }
  if (head.space.partition != id.partition) {
    return fail(Errc::kRefused, "the log segment belongs to another partition; move it away: " + path);
  }
  return {};
}

/// Whether `next` goes on where `before` stops.
Result<void> check_chain(const SegmentHead& before, const SegmentHead& next, const std::string& path) {
  if (next.space.base == before.end_position() && next.previous_end <= next.space.base &&
      next.previous_end >= before.space.base + before.head_bytes) {
    return {};
  }
  return fail(Errc::kCorrupt,
              "log segments are missing before this one; restore them from a backup, or give up the records before it "
              "by moving every segment with a smaller name away: " +
                  path + ", after " + segment_name(before.first));
}

/// A sealed segment's end, which the next head states.
void seal(Segment& segment, const SegmentHead& next) {
  segment.data_end = next.previous_end - segment.head->space.base;
  segment.end = next.first;
  segment.last_arrival = next.previous_arrival;
  segment.sealed = true;
}

Result<void> load_segments(FileSystem& files, const LogOptions& options, const std::vector<Offset>& firsts,
                           FoundLog& found) {
  for (const Offset first : firsts) {
    Segment segment;
    segment.path = options.directory + "/" + segment_name(first);
    TIDEMARK_TRY_ASSIGN(SegmentHead head, head_of(files, segment.path));
    if (!found.id) {
      found.id = IdFile{head.space.log, head.space.partition, true};
      found.id_file_lost = true;
    }
    TIDEMARK_TRY(check_identity(head, *found.id, segment.path));
    if (found.segments.empty()) {
      if (const auto start = start_mark(*head.sticky)) found.starts.push_back(*start);
    } else {
      Segment& before = found.segments.back();
      TIDEMARK_TRY(check_chain(*before.head, head, segment.path));
      seal(before, head);
      found.starts.insert(found.starts.end(), head.previous_starts.begin(), head.previous_starts.end());
      if (*before.head->sticky == *head.sticky) head.sticky = before.head->sticky;  // One copy in memory.
    }
    segment.data_end = head.head_bytes;
    segment.end = head.first;
    segment.last_arrival = head.previous_arrival;
    segment.head = std::make_shared<const SegmentHead>(std::move(head));
    found.segments.push_back(std::move(segment));
  }
  return {};
}

/// Where the last byte that isn't zero ends; `from` if there is none from there on.
Result<std::uint64_t> content_end(File& file, std::uint64_t from, std::uint64_t file_bytes) {
  std::vector<std::byte> chunk(std::min<std::uint64_t>(kScanChunk, file_bytes - from));
  std::uint64_t end = file_bytes;
  while (end > from) {
    const std::uint64_t at = end - from > chunk.size() ? end - chunk.size() : from;
    const std::span<std::byte> part = std::span(chunk).first(end - at);
    TIDEMARK_TRY_ASSIGN(const std::size_t got, file.read_at(at, part));
    const auto rest = part.first(got);
    const auto last = std::find_if(rest.rbegin(), rest.rend(), [](std::byte byte) { return byte != std::byte{}; });
    if (last != rest.rend()) return at + static_cast<std::uint64_t>(rest.rend() - last);
    end = at;
  }
  return from;
}

/// Walks over the frames of the newest segment and decides what is whole, what is damaged, and where the log ends.
class TailScan {
 public:
  TailScan(Segment& tail, File& file, RecoveredTail& result)
      : tail_(tail),
        head_(*tail.head),
        result_(result),
        window_(file, head_.file_bytes, kScanChunk, memory_, ReadWindow::Memory::kRecycle),
        at_(head_.head_bytes),
        expected_(head_.first),
        proven_to_(head_.head_bytes) {
    result_.sticky = head_.sticky;
  }

  /// `content_end`: behind it are only zeros.
  Result<void> run(std::uint64_t content_end) {
    content_end_ = content_end;
    while (at_ < content_end_) {
      TIDEMARK_TRY_ASSIGN(const bool goes_on, step());
      if (!goes_on) break;
    }
    tail_.data_end = at_;
    tail_.end = expected_;
    result_.torn_bytes = content_end_ > at_ ? content_end_ - at_ : 0;
    result_.must_roll = result_.torn_bytes > 0 && any_damage_ && tail_.end > head_.first;
    return {};
  }

  /// Frames from here on may never have been synced, although they are whole.
  std::uint64_t proven_to() const noexcept { return proven_to_; }

 private:
  Result<bool> step() {
    TIDEMARK_TRY_ASSIGN(const Bytes start, window_.view(at_, kFrameHeadBytes));
    const auto head = read_frame_head(start, head_.space, at_, head_.file_bytes);
    if (!head || head->first != expected_) return bad_head();
    TIDEMARK_TRY_ASSIGN(const Bytes frame, window_.view(at_, head->frame_bytes()));
    if (!body_is_whole(*head, frame)) return bad_body(*head);
    TIDEMARK_TRY(accept(*head, frame));
    return true;
  }

  Result<void> accept(const FrameHead& head, Bytes frame) {
    if (head.is_echo()) {
      accept_echo(head, frame);
    } else {
      TIDEMARK_TRY(check_sticky(head));
      extend_index(tail_, {at_, head.first, result_.sticky});
      if (head.has_sticky()) accept_sticky(head, frame);
    }
    damaged_from_.reset();
    tail_.last_arrival = head.arrival;
    proven_to_ = std::max(proven_to_, head.synced_end - head_.space.base);
    leave(head);
    return {};
  }

  Result<void> check_sticky(const FrameHead& head) const {
    if (head.sticky_end == result_.sticky->end()) return {};
    return fail(Errc::kCorrupt,
                "both copies of a sticky record (start or definitions) are damaged, so that the records after it can't "
                "be understood; restore the log from a backup, with the database of the same time: before byte " +
                    place_of(head_, at_));
  }

  void accept_sticky(const FrameHead& head, Bytes frame) {
    auto sticky = std::make_shared<Sticky>(*result_.sticky);
    visit_records(head, body_of(head, frame), [&](Offset offset, RecordKind kind, Bytes payload) {
      if (is_sticky(kind)) sticky->set(kind, offset, payload);
      return true;
    });
    adopt(std::move(sticky));
  }

  void accept_echo(const FrameHead& head, Bytes frame) {
    ByteReader in(body_of(head, frame));
    auto echoed = Sticky::parse(in);
    if (!echoed) return;
    if (damaged_from_) {
      for (const RescuedRecord& record : rescued_records(*echoed, *result_.sticky, *damaged_from_)) {
        exclude_from_last(result_.damage, record.offset);
      }
    }
    adopt(std::make_shared<const Sticky>(std::move(*echoed)));
  }

  void adopt(StickyPtr sticky) {
    const auto before = start_mark(*result_.sticky);
    const auto after = start_mark(*sticky);
    if (after && (!before || before->offset < after->offset)) result_.starts.push_back(*after);
    result_.sticky = std::move(sticky);
  }

  /// True, having skipped it, if a later frame shows that the bad one at at_ was synced; false: it is where the log
  /// ends.
  Result<bool> bad_body(const FrameHead& head) {
    TIDEMARK_TRY_ASSIGN(const bool synced, proof_after(at_ + head.frame_bytes()));
    if (!synced) return false;
    add_damage(head.end(), "the group's body fails its checksum");
    leave(head);
    return true;
  }

  Result<bool> bad_head() {
    const auto later = [this](const FrameHead& head) { return head.first >= expected_; };
    TIDEMARK_TRY_ASSIGN(const auto next, search(at_ + kFrameAlignment, later));
    if (!next) return false;
    TIDEMARK_TRY_ASSIGN(const bool synced, proof_after(next->at));
    if (!synced) return false;
    add_damage(next->head.first, "the group's head fails its checksum");
    at_ = next->at;
    expected_ = next->head.first;
    return true;
  }

  /// Whether a frame at or after `from` was written when all up to beyond at_ had been synced.
  Result<bool> proof_after(std::uint64_t from) {
    const std::uint64_t position = head_.space.base + at_;
    const auto proves = [position](const FrameHead& head) { return head.synced_end > position; };
    TIDEMARK_TRY_ASSIGN(const auto proof, search(from, proves));
    return proof.has_value();
  }

  Result<std::optional<FoundFrame>> search(std::uint64_t from, const std::function<bool(const FrameHead&)>& wanted) {
    return find_frame(window_, head_.space, from, content_end_, head_.file_bytes, wanted);
  }

  void add_damage(Offset end, std::string_view what) {
    any_damage_ = true;
    if (!damaged_from_) damaged_from_ = expected_;
    if (expected_ == end) return;  // An echo: no record was lost.
    result_.damage.push_back({expected_, end, std::string(what) + " at byte " + place_of(head_, at_)});
  }

  void leave(const FrameHead& head) {
    at_ += head.frame_bytes();
    expected_ = head.end();
  }

  Segment& tail_;
  const SegmentHead& head_;
  RecoveredTail& result_;
  PageMemory memory_;
  ReadWindow window_;
  std::uint64_t at_;
  Offset expected_;
  std::uint64_t proven_to_;
  std::uint64_t content_end_ = 0;
  bool any_damage_ = false;
  std::optional<Offset> damaged_from_;  // Where the damage just before at_ begins.
};

/// Writes [from, end) again as it is: after a failed sync the system may show bytes that never reached the disk, and
/// takes them for clean.
Result<void> rewrite(File& file, std::uint64_t from, std::uint64_t end) {
  std::vector<std::byte> chunk(std::min<std::uint64_t>(kScanChunk, end - from));
  for (std::uint64_t at = from; at < end; at += chunk.size()) {
    const std::span<std::byte> part = std::span(chunk).first(std::min<std::uint64_t>(chunk.size(), end - at));
    TIDEMARK_TRY_ASSIGN(const std::size_t got, file.read_at(at, part));
    TIDEMARK_TRY(file.write_at(at, Bytes(part).first(got)));
  }
  return {};
}

}  // namespace

Result<FoundLog> find_log(FileSystem& files, const LogOptions& options) {
  FoundLog found;
  TIDEMARK_TRY_ASSIGN(found.id, read_id_file(files, options.directory));
  TIDEMARK_TRY_ASSIGN(const auto names, files.list(options.directory));
  std::vector<Offset> firsts;
  for (const std::string& name : names) {
    if (const auto first = parse_segment_name(name)) firsts.push_back(*first);
    if (name == kPreparedName || name == kIdReplacementName) TIDEMARK_TRY(files.remove(options.directory + "/" + name));
  }
  if (found.id && found.id->has_segments && firsts.empty()) {
    return fail(
        Errc::kRefused,
        "the log's segments are gone; restore the directory from a backup, or remove the id file too to begin a "
        "new log (all that wasn't applied yet is lost then): " +
            options.directory + " of log " + found.id->log.to_string());
  }
  std::ranges::sort(firsts);
  TIDEMARK_TRY(load_segments(files, options, firsts, found));
  if (found.id && found.id->partition != options.partition) {
    return fail(Errc::kRefused, "the directory holds another partition of a log; set the partition's own directory: " +
                                    options.directory + " holds partition " + std::to_string(found.id->partition));
  }
  return found;
}

Result<RecoveredTail> recover_tail(FileSystem& files, Segment& tail) {
  RecoveredTail result;
  TIDEMARK_TRY_ASSIGN(result.file, files.open(tail.path, OpenMode::kWrite));
  const std::uint64_t file_bytes = tail.head->file_bytes;
  TIDEMARK_TRY_ASSIGN(const std::uint64_t end, content_end(*result.file, tail.head->head_bytes, file_bytes));
  TailScan scan(tail, *result.file, result);
  TIDEMARK_TRY(scan.run(end));
  TIDEMARK_TRY(rewrite(*result.file, scan.proven_to(), tail.data_end));
  if (!result.must_roll && end > tail.data_end)
    TIDEMARK_TRY(result.file->write_zeros(tail.data_end, end - tail.data_end));
  TIDEMARK_TRY(result.file->sync());
  return result;
}

}  // namespace tidemark::log
