#include <algorithm>
#include <cstdint>
#include <string>

#include "frame.hpp"
#include "segment_head.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/hash.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"
#include "tidemark/log/log.hpp"

// Opens and reads a log whose newest segment is the input. The first byte decides how many of the checksums are made
// right first, so that what lies behind them is reached too: none, the head's, or also those of the frames.
namespace tidemark::log {
namespace {

constexpr std::uint64_t kFileBytes = 4096;
const std::string kDirectory = "/log";

void mend_head(std::string& file) {
  const auto head_bytes = load_le<std::uint32_t>(file.data() + 20);
  if (head_bytes < 16 || head_bytes > file.size()) return;
  file.replace(0, 8, "tidemlog");
  store_le(file.data() + 8, hash64(as_bytes(file).first(head_bytes).subspan(16)));
}

void mend_frames(std::string& file, const SegmentHead& segment) {
  std::uint64_t at = segment.head_bytes;
  while (at + kFrameHeadBytes <= file.size() && load_le<std::uint32_t>(file.data() + at) == kFrameMagic) {
    FrameHead head;
    ByteReader in(as_bytes(file).subspan(at + 4));
    head.body_bytes = in.fixed<std::uint32_t>();
    head.first = in.fixed<Offset>();
    head.record_count = in.fixed<std::uint32_t>();
    head.flags = in.fixed<std::uint32_t>();
    head.arrival = from_micros(in.fixed<std::int64_t>());
    head.synced_end = in.fixed<std::uint64_t>();
    head.sticky_end = in.fixed<Offset>();
    if (head.frame_bytes() > file.size() - at) return;
    const auto bytes = std::as_writable_bytes(std::span(file));
    seal_frame(bytes.subspan(at, head.frame_bytes()), head, segment.space, at);
    at += head.frame_bytes();
  }
}

void write(FileSystem& files, const std::string& path, const std::string& bytes) {
  must(must(files.open(path, OpenMode::kCreate))->write_at(0, as_bytes(bytes)));
}

void read_all(Log& log) {
  auto reader = log.reader();
  Page page;
  Offset next = log.first_offset();
  must(reader->seek(next));
  do {
    if (!reader->read({5, 300}, page)) return;  // Sticky records lost twice.
    for (const Record& record : page.records) {
      TIDEMARK_ASSERT(record.offset >= next);
      next = record.offset + 1;
    }
    TIDEMARK_ASSERT(page.next >= next && page.next <= log.synced_end());
    next = page.next;
  } while (!page.at_end);
  TIDEMARK_ASSERT(next == log.synced_end());
}

void run(Bytes input) {
  if (input.empty()) return;
  std::string file(as_text(input.subspan(1, std::min<std::size_t>(input.size() - 1, kFileBytes))));
  file.resize(kFileBytes, '\0');
  const auto mending = static_cast<unsigned>(input[0]) % 3;
  if (mending >= 1) mend_head(file);

  MemoryFileSystem files;
  must(files.make_directories(kDirectory));
  const std::string name = segment_name(load_le<std::uint64_t>(file.data() + 48));
  const std::string path = kDirectory + "/" + name;
  write(files, path, file);
  if (mending == 2) {
    const auto head = read_segment_head(*must(files.open(path, OpenMode::kRead)), path);
    if (head) mend_frames(file, *head);
    write(files, path, file);
  }
  ManualClock clock;
  SeededRandom random(1);
  static Metrics metrics;
  LogOptions options;
  options.directory = kDirectory;
  options.segment_bytes = kFileBytes;
  options.prepare_in_background = false;
  for (int start = 0; start < 2; ++start) {
    RecoveryReport report;
    auto log = Log::open(files, clock, random, metrics, options, report);
    if (!log) return;
    TIDEMARK_ASSERT(start == 0 || report.torn_bytes_cut == 0);
    read_all(**log);
  }
}

}  // namespace
}  // namespace tidemark::log

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidemark::log::run(std::as_bytes(std::span(data, size)));
  return 0;
}
