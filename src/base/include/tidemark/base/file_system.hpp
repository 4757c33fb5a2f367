#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tidemark/base/bytes.hpp"
#include "tidemark/base/error.hpp"

namespace tidemark {

/// An open file. Concurrency: read_at from any thread beside one writer; the rest from one thread at a time.
class File {
 public:
  virtual ~File() = default;
  /// Reads up to out.size() bytes from `offset`; fewer only where the file ends.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) = 0;
  /// Says that these bytes will be read soon, so that reads from disk overlap. Never waits for them, and never fails:
  /// the system may pass it over.
  virtual void will_read(std::uint64_t offset, std::uint64_t size);
  /// Writes all of `data` at `offset`, or fails; after a failure the range holds any mix of old and new bytes. Large
  /// writes pass the system's cache by where the file system has a way for it: what is large is seldom read soon.
  virtual Result<void> write_at(std::uint64_t offset, Bytes data) = 0;
  /// As write_at, with zeros: meant for space that is filled long before it is used, so what the system's cache would
  /// cost is saved where offset, size and file system allow it.
  virtual Result<void> write_zeros(std::uint64_t offset, std::uint64_t size);
  /// Makes what was written durable (fdatasync). After a failure nothing is known about any write since the last
  /// success, and a second call may lie: the caller must give the file up.
  virtual Result<void> sync() = 0;
  virtual Result<std::uint64_t> size() = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
};

/// Held until destroyed; released by the system when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : std::uint8_t {
  kRead,       ///< Must exist; not written.
  kWrite,      ///< Must exist; read and written.
  kCreate,     ///< Made if absent, kept if present; read and written.
  kCreateNew,  ///< Must not exist; read and written.
};

/// The door to the disk. Paths are as the operating system takes them. Concurrency: safe from every thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Errors: kNotFound, kConflict (kCreateNew of what exists), kDiskFull, kReadOnly, kIo, each naming the path.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  /// Names (not paths) of what lies in `directory`, sorted by bytes.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  /// Makes the directory and those above it that are missing; durable when it returns.
  virtual Result<void> make_directories(const std::string& path) = 0;
  /// Removes a file; durable after sync_directory of the parent.
  virtual Result<void> remove(const std::string& path) = 0;
  /// Replaces `to` atomically; durable after sync_directory of the parent.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Makes creations, removals and renames in `directory` durable.
  virtual Result<void> sync_directory(const std::string& directory) = 0;
  /// Takes an exclusive lock on the file, made if absent. Error kLocked when another process or holder has it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  /// Bytes that an unprivileged process may still write on the file system of `path`.
  virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
};

/// The operating system's files.
class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> make_directories(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;
};

/// Reads a whole file of at most `limit` bytes. Errors as open, kTooLarge past the limit.
Result<std::string> read_file(FileSystem& files, const std::string& path, std::uint64_t limit);

/// Replaces `path` with `contents` so that a crash leaves the old file or the new one, whole and durable: temporary
/// file beside it (`path`.tmp), sync, rename, directory sync. One caller at a time for a path. After an error the file
/// is the old one, or the new one if only the last step failed.
Result<void> replace_file(FileSystem& files, const std::string& path, Bytes contents);

}  // namespace tidemark
