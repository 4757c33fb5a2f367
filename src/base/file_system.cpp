#include "tidemark/base/file_system.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tidemark/base/crash_point.hpp"

namespace tidemark {
namespace {

constexpr mode_t kFileMode = 0600;  // What was used is nobody else's business.

Errc code_of(int error) noexcept {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Errc::kNotFound;
    case EEXIST:
      return Errc::kConflict;
    case ENOSPC:
    case EDQUOT:
      return Errc::kDiskFull;
    case EROFS:
      return Errc::kReadOnly;
    case EWOULDBLOCK:
      return Errc::kLocked;
    default:
      return Errc::kIo;
  }
}

/// `what` is a verb in the imperative: "cannot open FILE: No such file or directory".
tl::unexpected<Error> system_failure(std::string_view what, const std::string& path, int error) {
  std::string message = "cannot ";
  message.append(what).append(" ").append(path).append(": ").append(std::generic_category().message(error));
  return fail(code_of(error), std::move(message));
}

/// Runs a system call again for as long as signals interrupt it.
template <class Call>
auto uninterrupted(Call call) noexcept {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

constexpr std::uint64_t kDirectGrain = 4096;  // What every block device takes without the cache.
/// Smaller writes go through the system's cache: what is small is soon read or written again.
constexpr std::uint64_t kDirectFrom = 64u << 10;
constexpr std::size_t kDirectMax = 1u << 20;  // At once.

struct alignas(kDirectGrain) PageBlock {
  std::array<std::byte, kDirectGrain> bytes;
};
std::array<PageBlock, 256> zero_blocks;  // Never written, so it takes no memory.

/// The first of `size` zeros, or as many as there are at once.
Bytes zeros(std::uint64_t size) noexcept {
  const Bytes all = std::as_bytes(std::span(zero_blocks));
  return all.first(std::min<std::uint64_t>(size, all.size()));
}

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ != -1) ::close(number_);  // Not again after EINTR: Linux has released the number by then.
  }
  int number() const noexcept { return number_; }

 private:
  int number_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  const int number = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileMode); });
  if (number == -1) return system_failure("open", path, errno);
  return Descriptor(number);
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, Descriptor descriptor) : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = uninterrupted([&] {
        return ::pread(descriptor_.number(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      });
      if (got == -1) return system_failure("read", path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  void will_read(std::uint64_t offset, std::uint64_t size) override {
    ::posix_fadvise(descriptor_.number(), static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_WILLNEED);
  }

  Result<void> write_at(std::uint64_t offset, Bytes data) override {
    int error = 0;
    const std::uint64_t before_page =
        std::min<std::uint64_t>((kDirectGrain - offset % kDirectGrain) % kDirectGrain, data.size());
    const std::uint64_t pages = (data.size() - before_page) / kDirectGrain * kDirectGrain;
    if (pages >= kDirectFrom && open_direct()) {
      error = write_all(descriptor_, offset, data.first(before_page));
      if (error == 0) error = write_direct(offset + before_page, data.subspan(before_page, pages));
      offset += before_page + pages;
      data = data.subspan(before_page + pages);
    }
    if (error == 0) error = write_all(descriptor_, offset, data);
    if (error != 0) return system_failure("write", path_, error);
    return {};
  }

  Result<void> write_zeros(std::uint64_t offset, std::uint64_t size) override {
    if (offset % kDirectGrain != 0 || size % kDirectGrain != 0 || !open_direct()) {
      return File::write_zeros(offset, size);
    }
    int error = 0;
    for (std::uint64_t done = 0; done < size && error == 0;) {
      const Bytes part = zeros(size - done);
      error = write_all(*direct_, offset + done, part);
      done += part.size();
    }
    if (error == EINVAL) return File::write_zeros(offset, size);  // A device with a coarser grain.
    if (error != 0) return system_failure("write", path_, error);
    return {};
  }

  Result<void> sync() override {
    if (uninterrupted([&] { return ::fdatasync(descriptor_.number()); }) == -1) {
      return system_failure("sync", path_, errno);
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status{};
    if (::fstat(descriptor_.number(), &status) == -1) return system_failure("stat", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<void> truncate(std::uint64_t size) override {
    if (uninterrupted([&] { return ::ftruncate(descriptor_.number(), static_cast<off_t>(size)); }) == -1) {
      return system_failure("truncate", path_, errno);
    }
    return {};
  }

 private:
  /// A second descriptor, so that reads beside it aren't bound to whole pages. False where the file system has no
  /// direct writes.
  bool open_direct() {
    if (!tried_direct_) {
      tried_direct_ = true;
      const int flags = ::fcntl(descriptor_.number(), F_GETFL);
      if (flags == -1 || (flags & O_ACCMODE) != O_RDWR) return false;
      const std::string itself = "/proc/self/fd/" + std::to_string(descriptor_.number());  // Whatever its name is now.
      if (auto opened = open_descriptor(itself, O_WRONLY | O_DIRECT)) direct_.emplace(*std::move(opened));
    }
    return direct_.has_value();
  }

  /// Whole pages, from memory that needs no alignment.
  int write_direct(std::uint64_t offset, Bytes data) {
    static thread_local std::vector<PageBlock> staged(kDirectMax / kDirectGrain);
    while (!data.empty()) {
      const Bytes part = data.first(std::min<std::size_t>(data.size(), kDirectMax));
      std::memcpy(staged.data(), part.data(), part.size());
      int error = write_all(*direct_, offset, std::as_bytes(std::span(staged)).first(part.size()));
      if (error == EINVAL) error = write_all(descriptor_, offset, part);  // A device with a coarser grain.
      if (error != 0) return error;
      data = data.subspan(part.size());
      offset += part.size();
    }
    return 0;
  }

  /// Returns the error number, or 0.
  static int write_all(const Descriptor& file, std::uint64_t offset, Bytes data) noexcept {
    while (!data.empty()) {
      const ssize_t put =
          uninterrupted([&] { return ::pwrite(file.number(), data.data(), data.size(), static_cast<off_t>(offset)); });
      if (put == -1) return errno;
      data = data.subspan(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
    return 0;
  }

  const std::string path_;
  const Descriptor descriptor_;
  std::optional<Descriptor> direct_;  // Of the writer.
  bool tried_direct_ = false;
};

/// flock() belongs to the open file description, so a second holder in this process is refused like any other.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  const Descriptor descriptor_;
};

int flags_of(OpenMode mode) noexcept {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

Result<void> write_new_contents(FileSystem& files, const std::string& path, Bytes contents) {
  TIDEMARK_TRY_ASSIGN(const auto file, files.open(path, OpenMode::kCreate));
  TIDEMARK_TRY(file->truncate(0));  // A replacement that a crash cut short may lie here.
  TIDEMARK_TRY(file->write_at(0, contents));
  TIDEMARK_CRASH_POINT("base.replacement_written");
  TIDEMARK_TRY(file->sync());
  TIDEMARK_CRASH_POINT("base.replacement_synced");
  return {};
}

}  // namespace

void File::will_read(std::uint64_t, std::uint64_t) {}

Result<void> File::write_zeros(std::uint64_t offset, std::uint64_t size) {
  while (size > 0) {
    const Bytes part = zeros(size);
    TIDEMARK_TRY(write_at(offset, part));
    offset += part.size();
    size -= part.size();
  }
  return {};
}

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenMode mode) {
  TIDEMARK_TRY_ASSIGN(auto descriptor, open_descriptor(path, flags_of(mode)));
  return std::make_unique<PosixFile>(path, std::move(descriptor));
}

Result<bool> PosixFileSystem::exists(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) return true;
  if (code_of(errno) == Errc::kNotFound) return false;
  return system_failure("stat", path, errno);
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(directory, error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  if (error) return system_failure("list", directory, error.value());
  std::ranges::sort(names);
  return names;
}

Result<void> PosixFileSystem::make_directories(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  const std::string parent = parent_of(path);
  if (parent != path && parent != ".") TIDEMARK_TRY(make_directories(parent));
  if (::mkdir(path.c_str(), 0777) == -1 && errno != EEXIST) return system_failure("make directory", path, errno);
  if (!std::filesystem::is_directory(path, error)) return system_failure("make directory", path, ENOTDIR);
  return sync_directory(parent);
}

Result<void> PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) == -1) return system_failure("remove", path, errno);
  return {};
}

Result<void> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == -1) return system_failure("rename " + from + " to", to, errno);
  return {};
}

Result<void> PosixFileSystem::sync_directory(const std::string& directory) {
  TIDEMARK_TRY_ASSIGN(const auto descriptor, open_descriptor(directory, O_RDONLY | O_DIRECTORY));
  if (uninterrupted([&] { return ::fsync(descriptor.number()); }) == -1) {
    return system_failure("sync directory", directory, errno);
  }
  return {};
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::lock(const std::string& path) {
  TIDEMARK_TRY_ASSIGN(auto descriptor, open_descriptor(path, O_RDWR | O_CREAT));
  if (uninterrupted([&] { return ::flock(descriptor.number(), LOCK_EX | LOCK_NB); }) == -1) {
    return system_failure("lock", path, errno);
  }
  return std::make_unique<PosixFileLock>(std::move(descriptor));
}

Result<std::uint64_t> PosixFileSystem::free_bytes(const std::string& path) {
  struct statvfs status{};
  if (uninterrupted([&] { return ::statvfs(path.c_str(), &status); }) == -1) {
    return system_failure("ask for the free space of", path, errno);
  }
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

Result<std::string> read_file(FileSystem& files, const std::string& path, std::uint64_t limit) {
  TIDEMARK_TRY_ASSIGN(const auto file, files.open(path, OpenMode::kRead));
  TIDEMARK_TRY_ASSIGN(const auto size, file->size());
  if (size > limit) {
    return fail(Errc::kTooLarge, "file is larger than " + std::to_string(limit) + " bytes: " + path);
  }
  std::string contents(size, '\0');
  TIDEMARK_TRY_ASSIGN(const auto got, file->read_at(0, std::as_writable_bytes(std::span(contents))));
  contents.resize(got);
  return contents;
}

Result<void> replace_file(FileSystem& files, const std::string& path, Bytes contents) {
  const std::string replacement = path + ".tmp";
  auto replaced = write_new_contents(files, replacement, contents);
  if (replaced) replaced = files.rename(replacement, path);
  if (!replaced) {
    static_cast<void>(files.remove(replacement));  // The first error is the one to tell.
    return replaced;
  }
  TIDEMARK_CRASH_POINT("base.replacement_renamed");
  return files.sync_directory(parent_of(path));
}

}  // namespace tidemark
