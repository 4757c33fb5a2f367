#pragma once

#include <memory>
#include <string>

#include "tidemark/base/file_system.hpp"

namespace tidemark::app {

/// A data directory held by this process, until destroyed.
class DataDirectory {
 public:
  /// Makes `path` if it is absent or empty, or takes one that an earlier run made. Errors: kLocked when another process
  /// serves on it; kRefused when it holds something else, or was written by a version with a newer form; each names the
  /// directory and the remedy.
  static Result<std::unique_ptr<DataDirectory>> open(FileSystem& files, const std::string& path);

  const std::string& path() const noexcept { return path_; }

 private:
  DataDirectory(std::string path, std::unique_ptr<FileLock> lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  std::unique_ptr<FileLock> lock_;
};

}  // namespace tidemark::app
