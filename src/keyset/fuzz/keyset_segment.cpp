#include <algorithm>
#include <cstring>

#include "manifest.hpp"
#include "merge.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"

// The first byte chooses: a manifest or a segment, as it is or with its checksums put right, so that what lies behind
// them is reached too. Whatever the bytes, reading ends in an answer or an error.

namespace tidemark::keyset {
namespace {

constexpr std::uint64_t kNumber = 1;

void put_checksum(std::string& bytes, std::size_t at, std::uint64_t checksum) {
  std::memcpy(bytes.data() + at, &checksum, sizeof checksum);
}

void read_manifest(std::string bytes, bool repair) {
  if (repair && bytes.size() >= sizeof(std::uint64_t)) {
    const std::size_t at = bytes.size() - sizeof(std::uint64_t);
    put_checksum(bytes, at, hash64(as_bytes(bytes).first(at)));
  }
  const auto manifest = decode_manifest(as_bytes(bytes), "manifest");
  // What is accepted is written back as it was.
  if (manifest) TIDEMARK_ASSERT(encode(*manifest) == bytes);
}

/// Puts one part's checksum right, if the part lies in the file.
template <class Part, class Checksum>
void repair_part(std::string& bytes, std::uint64_t at, const Checksum& checksum) {
  Part part;
  if (at > bytes.size() || bytes.size() - at < sizeof part) return;
  std::memcpy(static_cast<void*>(&part), bytes.data() + at, sizeof part);
  part.checksum = checksum(part);
  std::memcpy(bytes.data() + at, &part, sizeof part);
}

Footer repair_segment(std::string& bytes) {
  Footer footer;
  std::memcpy(static_cast<void*>(&footer), bytes.data() + bytes.size() - sizeof footer, sizeof footer);
  footer.magic = kSegmentMagic;
  footer.version = kSegmentVersion;
  footer.log_id = {};
  footer.number = kNumber;
  footer.filter_lines = std::clamp<std::uint64_t>(footer.filter_lines, 1, 40);
  footer.entries = std::clamp<std::uint64_t>(footer.entries, 1, 600);
  bytes.resize(footer.file_bytes());
  const std::uint64_t seed = footer.seed();
  for (std::uint64_t i = 0; i < footer.filter_pages(); ++i) {
    repair_part<FilterPage>(bytes, i * sizeof(FilterPage),
                            [&](const FilterPage& page) { return filter_page_checksum(page, seed, i); });
  }
  for (std::uint64_t i = 0; i < footer.blocks(); ++i) {
    repair_part<Block>(bytes, footer.blocks_offset() + i * sizeof(Block),
                       [&](const Block& block) { return block_checksum(block, seed, i); });
  }
  std::vector<std::uint64_t> fences(footer.blocks());
  std::memcpy(fences.data(), bytes.data() + footer.fences_offset(), fences.size() * sizeof fences[0]);
  footer.fences_checksum = fences_checksum(fences, seed);
  footer.checksum = footer.compute_checksum();
  std::memcpy(bytes.data() + footer.footer_offset(), &footer, sizeof footer);
  return footer;
}

void read_segment(std::string bytes, bool repair) {
  if (bytes.size() < sizeof(Footer)) return;
  std::uint64_t checksum = load_le<std::uint64_t>(bytes.data() + bytes.size() - sizeof checksum);
  LogId log_id{};
  if (repair) {
    checksum = repair_segment(bytes).checksum;
  } else {
    std::memcpy(log_id.data(), bytes.data() + bytes.size() - sizeof(Footer) + offsetof(Footer, log_id), log_id.size());
  }
  MemoryFileSystem files;
  must(files.make_directories("keys"));
  must(must(files.open(segment_path("keys", kNumber), OpenMode::kCreateNew))->write_at(0, as_bytes(bytes)));
  const auto segment = Segment::open(files, "keys", log_id, kNumber, checksum);
  if (!segment) return;
  static_cast<void>((*segment)->load_filter(0));
  for (std::size_t at = 0; at + 16 <= std::min<std::size_t>(bytes.size(), 4'096); at += 40) {
    const Fingerprint identity{load_le<std::uint64_t>(bytes.data() + at),
                               load_le<std::uint64_t>(bytes.data() + at + 8)};
    static_cast<void>((*segment)->may_hold(identity));
    static_cast<void>((*segment)->find(identity));
  }
  auto merge = Merge::begin(files, "keys", log_id, kNumber + 1, {*segment, *segment}, 0, 1);
  while (merge && !(*merge)->is_complete() && (*merge)->step()) {
  }
}

}  // namespace
}  // namespace tidemark::keyset

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool repair = (data[0] & 2) != 0;
  if ((data[0] & 1) != 0) {
    tidemark::keyset::read_manifest(bytes, repair);
  } else {
    tidemark::keyset::read_segment(bytes, repair);
  }
  return 0;
}
