#pragma once

#include <string>

#include "tidemark/base/file_system.hpp"
#include "tidemark/log/log.hpp"

namespace tidemark::flow {

/// A copy of how far a flow has come, kept beside the log for the time in which the database can't be asked. Nothing
/// may be trimmed or skipped by it: the database may have been restored from an older backup since.
/// Format: docs/formats/applied.md. *Concurrency*: one thread at a time. *Lifetime*: all that it is given must outlive
/// it.
class AppliedNote {
 public:
  AppliedNote(FileSystem& files, std::string path, const log::Log& log)
      : files_(files), path_(std::move(path)), log_(log) {}

  /// The offset before which all was applied when the note was taken. 0 where there is no note, it can't be read, or it
  /// was taken of another log or of another copy of this one.
  log::Offset read();
  /// Replaces the note, durably; does nothing where it says so already. A crash leaves the old one or the new one.
  Result<void> take(log::Offset applied);
  /// What was last read or taken.
  log::Offset noted() const noexcept { return noted_; }

 private:
  FileSystem& files_;
  const std::string path_;
  const log::Log& log_;
  log::Offset noted_ = 0;
};

}  // namespace tidemark::flow
