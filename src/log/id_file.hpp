#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tidemark/base/file_system.hpp"
#include "tidemark/log/types.hpp"

namespace tidemark::log {

inline constexpr std::string_view kIdFileName = "log.id";
/// What replace_file leaves when a crash cuts it short.
inline constexpr std::string_view kIdReplacementName = "log.id.tmp";

/// The file that says which log lives in a directory. It is durable before the first segment is made, so that a
/// directory whose segments were lost is never taken for an empty one.
struct IdFile {
  LogId log;
  PartitionId partition = 0;
  bool has_segments = false;  ///< The first segment is durable: from here on there must be some.
};

/// Nothing if there is none. Errors: kCorrupt with the remedy, kUnsupported, kIo.
Result<std::optional<IdFile>> read_id_file(FileSystem& files, const std::string& directory);
/// Replaces it so that a crash leaves the old one or the new one.
Result<void> write_id_file(FileSystem& files, const std::string& directory, const IdFile& contents);

}  // namespace tidemark::log
