#pragma once

#include <memory>
#include <optional>

#include "catalog.hpp"
#include "tidemark/log/reader.hpp"

namespace tidemark::log {

/// Where a reader stands: before record `position`, within or at the start of the frame at `at`, whose first record is
/// `expected` (unless it is damaged).
struct ReadState {
  ReadState(FileSystem& files_in, const Catalog& catalog_in) : files(files_in), catalog(catalog_in) {}

  FileSystem& files;
  const Catalog& catalog;

  SegmentView segment;
  std::unique_ptr<File> file;  // Of `segment`; null when `position` must be looked up first.
  std::uint64_t at = 0;
  Offset expected = 0;
  Offset position = 0;
  StickyPtr sticky = std::make_shared<const Sticky>();  // In force before `position`.
  std::optional<Timestamp> last_arrival;
};

struct Reader::Impl {
  Impl(FileSystem& files, const Catalog& catalog) : state(files, catalog) {}

  Result<void> seek(Offset offset);
  Result<void> read(const ReadLimits& limits, Page& page);

  ReadState state;
};

}  // namespace tidemark::log
