#include "log_fixture.hpp"

namespace tidemark::log {

Result<Reading> try_read_from(Log& log, Offset from, ReadLimits limits) {
  Reading reading;
  auto reader = log.reader();
  TIDEMARK_TRY(reader->seek(from));
  Page page;
  do {
    TIDEMARK_TRY(reader->read(limits, page));
    for (const Record& record : page.records) {
      reading.records.emplace_back(record.offset,
                                   Entry{record.kind, std::string(as_text(record.payload)), record.arrival});
    }
    for (const Damage& damage : page.damage) reading.damage.emplace_back(damage.first, damage.end);
  } while (!page.at_end);
  reading.next = page.next;
  return reading;
}

Reading read_from(Log& log, Offset from, ReadLimits limits) {
  return must(try_read_from(log, from, limits));
}

Result<void> LogUnderTest::try_open() {
  auto opened = Log::open(files_, clock_, random_, metrics_, options_, report_);
  if (!opened) return fail(opened.error());
  log_ = *std::move(opened);
  return {};
}

Result<void> LogUnderTest::commit(const std::vector<std::pair<RecordKind, std::string>>& records) {
  clock_.advance(milliseconds(1));
  group_.reset(std::max(clock_.now(), log_->last_arrival()));
  for (const auto& [kind, payload] : records) group_.add(kind, as_bytes(payload));
  return log_->commit(group_);
}

std::string payload_of(std::size_t size, std::uint64_t seed) {
  SeededRandom random(seed);
  std::string payload(size, '\0');
  random.fill(std::as_writable_bytes(std::span(payload)));
  return payload;
}

std::vector<std::string> segment_paths(FileSystem& files, const std::string& directory) {
  std::vector<std::string> paths;
  for (const std::string& name : must(files.list(directory))) {
    if (name.ends_with(".log")) paths.push_back(directory + "/" + name);
  }
  return paths;
}

}  // namespace tidemark::log
