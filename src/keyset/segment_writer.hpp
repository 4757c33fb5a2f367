#pragma once

#include <memory>
#include <string>
#include <vector>

#include "segment_format.hpp"
#include "tidemark/base/file_system.hpp"

namespace tidemark::keyset {

/// Writes one segment from entries that come in ascending order; filter and blocks are filled front to back, so that
/// its memory stays small whatever the segment's size. Without finish(), or after an error, the destructor removes the
/// file.
class SegmentWriter {
 public:
  /// Begins segment `number` of the store of `log_id`; at most `max_entries` (>= 1) will be added.
  static Result<std::unique_ptr<SegmentWriter>> create(FileSystem& files, const std::string& directory,
                                                       const LogId& log_id, std::uint64_t number,
                                                       std::uint64_t max_entries);
  ~SegmentWriter();
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  /// Appends an entry; ascending by fingerprint, none twice.
  Result<void> add(const Entry& entry);

  /// Completes and syncs the file, but not its directory. At least one entry must have been added.
  Result<Footer> finish();

  std::uint64_t entries() const noexcept { return footer_.entries; }

 private:
  SegmentWriter(FileSystem& files, std::string path, std::unique_ptr<File> file)
      : files_(files), path_(std::move(path)), file_(std::move(file)) {}
  Result<void> go_to_line(std::uint64_t line);
  Result<void> end_page();
  Result<void> end_block();
  Result<void> flush_pages();
  Result<void> flush_blocks();
  Result<void> write(std::uint64_t offset, Bytes bytes);

  FileSystem& files_;
  const std::string path_;
  std::unique_ptr<File> file_;
  bool finished_ = false;

  Footer footer_;
  std::uint64_t seed_ = 0;
  std::uint64_t max_entries_ = 0;
  Entry last_;
  std::uint64_t line_ = 0;  ///< The filter line that is being filled.
  std::uint64_t pages_flushed_ = 0;
  std::uint64_t blocks_flushed_ = 0;
  std::vector<FilterPage> pages_;  ///< The last one is being filled.
  std::vector<Block> blocks_;
  std::vector<std::uint64_t> fences_;
  std::uint64_t unsynced_bytes_ = 0;
};

}  // namespace tidemark::keyset
