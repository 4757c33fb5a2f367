#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tidemark/base/file_system.hpp"

namespace tidemark {

/// What a fault can strike.
enum class FileOperation : std::uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kRename,
  kRemove,
  kSyncDirectory,
};
inline constexpr int kFileOperationCount = 8;

/// A failure to come.
struct FileFault {
  FileOperation operation = FileOperation::kWrite;
  /// Matching operations that pass before this strikes, counted from inject(): 0 strikes the next one.
  std::uint64_t after = 0;
  Errc code = Errc::kIo;
  /// Strikes only where the path contains this; empty for every path. A rename is matched by where it goes to.
  std::string path_contains = {};
  /// Writes: this many bytes of the write take effect before it fails.
  std::uint64_t written_bytes = 0;
  /// Strikes every matching operation from then on, not only one.
  bool repeats = false;
};

/// A file system in memory that forgets, when told to, what was not synced, and fails where told to.
///
/// *Durability.* What a file holds becomes durable by its sync(); that it exists, is gone or has another name, by
/// sync_directory() of its directory, each directory for itself. After a sync() that failed, the writes it should have
/// covered are never made durable by a later sync(), as on Linux. make_directories() is durable at once.
///
/// *Concurrency.* Safe from every thread.
///
/// *Lifetime.* Open files and locks may outlive it.
class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem();
  ~MemoryFileSystem() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> make_directories(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;

  /// The power goes: all that isn't durable is forgotten, locks are released, and every file that is open answers kIo
  /// from now on, so that what is still in memory of the dead process can't reach the disk.
  void lose_unsynced();

  /// As above, but an arbitrary subset, chosen by `seed`, of what isn't durable survives: single 512-byte sectors of
  /// writes, truncations, directory changes. Torn and reordered writes appear.
  void lose_unsynced(std::uint64_t seed);

  static constexpr std::uint64_t kSectorBytes = 512;

  void inject(FileFault fault);
  void clear_faults();
  /// How many operations of this kind were begun so far, failed ones included: to strike each in turn.
  std::uint64_t count(FileOperation operation) const;

  /// Lets files grow by `bytes` in all from now on. The write that goes beyond writes what fits and fails with
  /// kDiskFull; removing and truncating gives space back.
  void set_free_bytes(std::uint64_t bytes);

  /// Flips one bit, durably. The file must exist and hold the byte.
  void flip_bit(const std::string& path, std::uint64_t offset, unsigned bit = 0);

  /// What a loss of power would leave of the file now; nothing if the file itself would be gone.
  std::optional<std::string> durable_contents(const std::string& path) const;

  /// A copy of everything, durable or not; without faults and locks.
  class Snapshot;
  Snapshot snapshot() const;
  /// Puts a copy back. Open files and locks end as in lose_unsynced().
  void restore(const Snapshot& snapshot);

 private:
  struct Disk;
  struct State;
  class OpenFile;
  class HeldLock;
  std::shared_ptr<State> state_;
};

/// The state of a MemoryFileSystem at one moment. Copies share it; it never changes.
class MemoryFileSystem::Snapshot {
 private:
  friend class MemoryFileSystem;
  std::shared_ptr<const Disk> disk_;
};

}  // namespace tidemark
