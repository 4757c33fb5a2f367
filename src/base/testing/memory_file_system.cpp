#include "tidemark/base/testing/memory_file_system.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "tidemark/base/assert.hpp"
#include "tidemark/base/testing/seeded_random.hpp"

namespace tidemark {
namespace {

std::string normal(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal().string();
  if (text.size() > 1 && text.back() == '/') text.pop_back();
  return text.empty() ? "." : text;
}

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

tl::unexpected<Error> failure(Errc code, std::string_view what, const std::string& path, std::string_view why) {
  std::string message = "cannot ";
  message.append(what).append(" ").append(path).append(": ").append(why);
  return fail(code, std::move(message));
}

struct Write {
  std::uint64_t offset = 0;
  std::string data;
};
struct Truncation {
  std::uint64_t size = 0;
};
/// A change of a file that isn't durable yet; `doubtful` once a sync that should have covered it has failed.
struct Change {
  std::variant<Write, Truncation> what;
  bool doubtful = false;
};

void put(std::string& contents, std::uint64_t offset, std::string_view data) {
  if (contents.size() < offset + data.size()) contents.resize(offset + data.size(), '\0');
  contents.replace(offset, data.size(), data);
}

void make_change(std::string& contents, const Change& change) {
  if (const auto* write = std::get_if<Write>(&change.what)) {
    put(contents, write->offset, write->data);
  } else {
    contents.resize(std::get<Truncation>(change.what).size, '\0');
  }
}

/// Makes the sectors of a write, or the truncation, that `random` lets survive.
void make_part_of_change(std::string& contents, const Change& change, SeededRandom& random) {
  const auto* write = std::get_if<Write>(&change.what);
  if (write == nullptr) {
    if (random.coin()) make_change(contents, change);
    return;
  }
  std::string_view rest = write->data;
  std::uint64_t offset = write->offset;
  while (!rest.empty()) {
    const std::uint64_t to_boundary = MemoryFileSystem::kSectorBytes - offset % MemoryFileSystem::kSectorBytes;
    const std::string_view sector = rest.substr(0, to_boundary);
    if (random.coin()) put(contents, offset, sector);
    offset += sector.size();
    rest.remove_prefix(sector.size());
  }
}

struct Inode {
  std::string current;
  std::string durable;
  std::vector<Change> changes;  // since `durable`, in order

  void change(Change change) {
    make_change(current, change);
    changes.push_back(std::move(change));
  }
  void make_durable() {
    for (const Change& change : changes) {
      if (!change.doubtful) make_change(durable, change);
    }
    changes.clear();
  }
  void doubt() {
    for (Change& change : changes) change.doubtful = true;
  }
  /// Forgets what isn't durable, apart from what `random`, if given, lets survive.
  void lose(SeededRandom* random) {
    if (random != nullptr) {
      for (const Change& change : changes) make_part_of_change(durable, change, *random);
    }
    current = durable;
    changes.clear();
  }
};

using Entries = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;

/// A change of directory entries that isn't durable yet: `gone` (if any) vanishes and `made` (if any) names `inode`.
struct EntryChange {
  std::string gone;
  std::string made;
  std::shared_ptr<Inode> inode;

  void apply(Entries& entries) const {
    if (!gone.empty()) entries.erase(gone);
    if (!made.empty()) entries[made] = inode;
  }
};

bool lies_in(const std::string& path, const std::string& directory) {
  return !path.empty() && parent_of(path) == directory;
}

}  // namespace

/// What a copy of the disk copies.
struct MemoryFileSystem::Disk {
  Entries current;
  Entries durable;
  std::vector<EntryChange> entry_changes;  // since `durable`, in order
  std::set<std::string> directories{"/", "."};
  std::uint64_t capacity = std::uint64_t{1} << 50U;

  std::uint64_t used() const {
    std::uint64_t total = 0;
    for (const auto& [path, inode] : current) total += inode->current.size();
    return total;
  }
  std::uint64_t free() const {
    const std::uint64_t taken = used();
    return taken < capacity ? capacity - taken : 0;
  }

  void change_entries(EntryChange change) {
    change.apply(current);
    entry_changes.push_back(std::move(change));
  }

  void make_entries_durable(const std::string& directory) {
    for (EntryChange& change : entry_changes) {
      EntryChange here;
      if (lies_in(change.gone, directory)) here.gone = std::exchange(change.gone, {});
      if (lies_in(change.made, directory)) {
        here.made = std::exchange(change.made, {});
        here.inode = change.inode;
      }
      here.apply(durable);
    }
    std::erase_if(entry_changes, [](const EntryChange& c) { return c.gone.empty() && c.made.empty(); });
  }

  void lose(SeededRandom* random) {
    for (const EntryChange& change : entry_changes) {
      if (random != nullptr && random->coin()) change.apply(durable);
    }
    entry_changes.clear();
    current = durable;
    std::set<Inode*> seen;  // Two names may share a file after a rename that is durable in one directory only.
    for (const auto& [path, inode] : current) {
      if (seen.insert(inode.get()).second) inode->lose(random);
    }
  }

  Disk deep_copy() const {
    Disk copy = *this;
    std::map<Inode*, std::shared_ptr<Inode>> copies;
    const auto own = [&copies](std::shared_ptr<Inode>& inode) {
      if (inode == nullptr) return;
      auto& made = copies[inode.get()];
      if (made == nullptr) made = std::make_shared<Inode>(*inode);
      inode = made;
    };
    for (auto& [path, inode] : copy.current) own(inode);
    for (auto& [path, inode] : copy.durable) own(inode);
    for (EntryChange& change : copy.entry_changes) own(change.inode);
    return copy;
  }
};

struct MemoryFileSystem::State {
  mutable std::mutex mutex;  // guards all below
  Disk disk;
  std::uint64_t epoch = 0;  // moves on whenever the process that holds files and locks is thought dead
  std::map<std::string, std::uint64_t> locks;  // path to the number of its holder
  std::uint64_t last_holder = 0;
  std::vector<FileFault> faults;
  std::array<std::uint64_t, kFileOperationCount> counts{};

  /// Counts the operation and answers the fault that strikes it, if one does.
  std::optional<FileFault> strike(FileOperation operation, const std::string& path) {
    ++counts[static_cast<std::size_t>(operation)];
    std::optional<FileFault> struck;
    std::erase_if(faults, [&](FileFault& fault) {
      if (fault.operation != operation || path.find(fault.path_contains) == std::string::npos) return false;
      if (fault.after > 0) {
        --fault.after;
        return false;
      }
      if (struck) return false;
      struck = fault;
      return !fault.repeats;
    });
    return struck;
  }

  Result<void> check(FileOperation operation, std::string_view what, const std::string& path) {
    if (const auto fault = strike(operation, path)) return failure(fault->code, what, path, "injected fault");
    return {};
  }

  void end_process() {
    ++epoch;
    locks.clear();
  }
};

class MemoryFileSystem::OpenFile final : public File {
 public:
  OpenFile(std::shared_ptr<State> state, std::string path, std::shared_ptr<Inode> inode, bool writable)
      : state_(std::move(state)),
        path_(std::move(path)),
        inode_(std::move(inode)),
        writable_(writable),
        epoch_(state_->epoch) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) override {
    const std::lock_guard lock(state_->mutex);
    TIDEMARK_TRY(check(FileOperation::kRead, "read"));
    const std::string& contents = inode_->current;
    if (offset >= contents.size()) return 0;
    const std::size_t size = std::min<std::uint64_t>(out.size(), contents.size() - offset);
    std::copy_n(as_bytes(contents).begin() + static_cast<std::ptrdiff_t>(offset), size, out.begin());
    return size;
  }

  Result<void> write_at(std::uint64_t offset, Bytes data) override {
    const std::lock_guard lock(state_->mutex);
    TIDEMARK_TRY(alive("write"));
    TIDEMARK_TRY(writable("write"));
    const std::string_view text = as_text(data);
    if (const auto fault = state_->strike(FileOperation::kWrite, path_)) {
      write_prefix(offset, text, std::min(fault->written_bytes, room(offset)));
      return failure(fault->code, "write", path_, "injected fault");
    }
    const std::uint64_t fits = room(offset);
    write_prefix(offset, text, fits);
    if (fits < text.size()) return failure(Errc::kDiskFull, "write", path_, "no space left");
    return {};
  }

  Result<void> sync() override {
    const std::lock_guard lock(state_->mutex);
    if (auto checked = check(FileOperation::kSync, "sync"); !checked) {
      inode_->doubt();
      return checked;
    }
    inode_->make_durable();
    return {};
  }

  Result<std::uint64_t> size() override {
    const std::lock_guard lock(state_->mutex);
    TIDEMARK_TRY(alive("stat"));
    return inode_->current.size();
  }

  Result<void> truncate(std::uint64_t size) override {
    const std::lock_guard lock(state_->mutex);
    TIDEMARK_TRY(check(FileOperation::kTruncate, "truncate"));
    TIDEMARK_TRY(writable("truncate"));
    if (size > room(0)) return failure(Errc::kDiskFull, "truncate", path_, "no space left");
    inode_->change({Truncation{size}});
    return {};
  }

 private:
  Result<void> alive(std::string_view what) const {
    if (epoch_ == state_->epoch) return {};
    return failure(Errc::kIo, what, path_, "the file was opened before the power went");
  }
  Result<void> writable(std::string_view what) const {
    if (writable_) return {};
    return failure(Errc::kIo, what, path_, "the file was opened for reading");
  }
  Result<void> check(FileOperation operation, std::string_view what) {
    TIDEMARK_TRY(alive(what));
    return state_->check(operation, what, path_);
  }

  /// How many bytes a write at `offset` may have before the disk is full. What lies within the file costs nothing.
  std::uint64_t room(std::uint64_t offset) const {
    const std::uint64_t end = inode_->current.size() + state_->disk.free();
    return offset < end ? end - offset : 0;
  }

  void write_prefix(std::uint64_t offset, std::string_view data, std::uint64_t size) {
    data = data.substr(0, size);
    if (!data.empty()) inode_->change({Write{offset, std::string(data)}});
  }

  const std::shared_ptr<State> state_;
  const std::string path_;
  const std::shared_ptr<Inode> inode_;
  const bool writable_;
  const std::uint64_t epoch_;
};

class MemoryFileSystem::HeldLock final : public FileLock {
 public:
  HeldLock(std::shared_ptr<State> state, std::string path, std::uint64_t holder)
      : state_(std::move(state)), path_(std::move(path)), holder_(holder) {}
  ~HeldLock() override {
    const std::lock_guard lock(state_->mutex);
    const auto held = state_->locks.find(path_);
    if (held != state_->locks.end() && held->second == holder_) state_->locks.erase(held);
  }

 private:
  const std::shared_ptr<State> state_;
  const std::string path_;
  const std::uint64_t holder_;
};

MemoryFileSystem::MemoryFileSystem() : state_(std::make_shared<State>()) {}
MemoryFileSystem::~MemoryFileSystem() = default;

Result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& given_path, OpenMode mode) {
  const std::string path = normal(given_path);
  const std::lock_guard lock(state_->mutex);
  TIDEMARK_TRY(state_->check(FileOperation::kOpen, "open", path));
  Disk& disk = state_->disk;
  auto entry = disk.current.find(path);
  const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateNew;
  if (disk.directories.contains(path)) return failure(Errc::kIo, "open", path, "is a directory");
  if (entry != disk.current.end() && mode == OpenMode::kCreateNew) {
    return failure(Errc::kConflict, "open", path, "file exists");
  }
  if (entry == disk.current.end()) {
    if (!creates || !disk.directories.contains(parent_of(path))) {
      return failure(Errc::kNotFound, "open", path, "no such file or directory");
    }
    disk.change_entries({{}, path, std::make_shared<Inode>()});
    entry = disk.current.find(path);
  }
  return std::make_unique<OpenFile>(state_, path, entry->second, mode != OpenMode::kRead);
}

Result<bool> MemoryFileSystem::exists(const std::string& given_path) {
  const std::string path = normal(given_path);
  const std::lock_guard lock(state_->mutex);
  return state_->disk.current.contains(path) || state_->disk.directories.contains(path);
}

Result<std::vector<std::string>> MemoryFileSystem::list(const std::string& given_directory) {
  const std::string directory = normal(given_directory);
  const std::lock_guard lock(state_->mutex);
  const Disk& disk = state_->disk;
  if (!disk.directories.contains(directory)) {
    return failure(Errc::kNotFound, "list", directory, "no such file or directory");
  }
  std::vector<std::string> names;
  const auto add = [&](const std::string& path) {
    if (path != directory && lies_in(path, directory)) names.push_back(std::filesystem::path(path).filename().string());
  };
  for (const auto& [path, inode] : disk.current) add(path);
  for (const std::string& path : disk.directories) add(path);
  std::ranges::sort(names);
  return names;
}

Result<void> MemoryFileSystem::make_directories(const std::string& given_path) {
  std::string path = normal(given_path);
  const std::lock_guard lock(state_->mutex);
  Disk& disk = state_->disk;
  std::vector<std::string> missing;
  for (; !disk.directories.contains(path); path = parent_of(path)) {
    if (disk.current.contains(path)) return failure(Errc::kNotFound, "make directory", path, "not a directory");
    missing.push_back(path);
  }
  disk.directories.insert(missing.begin(), missing.end());
  return {};
}

Result<void> MemoryFileSystem::remove(const std::string& given_path) {
  const std::string path = normal(given_path);
  const std::lock_guard lock(state_->mutex);
  TIDEMARK_TRY(state_->check(FileOperation::kRemove, "remove", path));
  Disk& disk = state_->disk;
  if (disk.directories.contains(path)) return failure(Errc::kIo, "remove", path, "is a directory");
  if (!disk.current.contains(path)) return failure(Errc::kNotFound, "remove", path, "no such file or directory");
  disk.change_entries({path, {}, nullptr});
  return {};
}

Result<void> MemoryFileSystem::rename(const std::string& given_from, const std::string& given_to) {
  const std::string from = normal(given_from);
  const std::string to = normal(given_to);
  const std::lock_guard lock(state_->mutex);
  TIDEMARK_TRY(state_->check(FileOperation::kRename, "rename " + from + " to", to));
  Disk& disk = state_->disk;
  const auto entry = disk.current.find(from);
  if (entry == disk.current.end() || !disk.directories.contains(parent_of(to))) {
    return failure(Errc::kNotFound, "rename " + from + " to", to, "no such file or directory");
  }
  if (disk.directories.contains(to)) return failure(Errc::kIo, "rename " + from + " to", to, "is a directory");
  if (from == to) return {};
  const std::shared_ptr<Inode> inode = entry->second;
  disk.change_entries({from, to, inode});
  return {};
}

Result<void> MemoryFileSystem::sync_directory(const std::string& given_directory) {
  const std::string directory = normal(given_directory);
  const std::lock_guard lock(state_->mutex);
  TIDEMARK_TRY(state_->check(FileOperation::kSyncDirectory, "sync directory", directory));
  if (!state_->disk.directories.contains(directory)) {
    return failure(Errc::kNotFound, "sync directory", directory, "no such file or directory");
  }
  state_->disk.make_entries_durable(directory);
  return {};
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::lock(const std::string& given_path) {
  TIDEMARK_TRY(open(given_path, OpenMode::kCreate));
  const std::string path = normal(given_path);
  const std::lock_guard lock(state_->mutex);
  const auto [held, taken] = state_->locks.try_emplace(path, state_->last_holder + 1);
  if (!taken) return failure(Errc::kLocked, "lock", path, "held by another");
  return std::make_unique<HeldLock>(state_, path, ++state_->last_holder);
}

Result<std::uint64_t> MemoryFileSystem::free_bytes(const std::string& given_path) {
  const std::string path = normal(given_path);
  const std::lock_guard lock(state_->mutex);
  if (!state_->disk.current.contains(path) && !state_->disk.directories.contains(path)) {
    return failure(Errc::kNotFound, "ask for the free space of", path, "no such file or directory");
  }
  return state_->disk.free();
}

void MemoryFileSystem::lose_unsynced() {
  const std::lock_guard lock(state_->mutex);
  state_->disk.lose(nullptr);
  state_->end_process();
}

void MemoryFileSystem::lose_unsynced(std::uint64_t seed) {
  SeededRandom random(seed);
  const std::lock_guard lock(state_->mutex);
  state_->disk.lose(&random);
  state_->end_process();
}

void MemoryFileSystem::inject(FileFault fault) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.push_back(std::move(fault));
}

void MemoryFileSystem::clear_faults() {
  const std::lock_guard lock(state_->mutex);
  state_->faults.clear();
}

std::uint64_t MemoryFileSystem::count(FileOperation operation) const {
  const std::lock_guard lock(state_->mutex);
  return state_->counts[static_cast<std::size_t>(operation)];
}

void MemoryFileSystem::set_free_bytes(std::uint64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->disk.capacity = state_->disk.used() + bytes;
}

void MemoryFileSystem::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  const std::lock_guard lock(state_->mutex);
  const auto entry = state_->disk.current.find(normal(path));
  TIDEMARK_ASSERT(entry != state_->disk.current.end());
  Inode& inode = *entry->second;
  TIDEMARK_ASSERT(offset < inode.current.size() && bit < 8);
  const auto flip = [bit](char& byte) { byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << bit)); };
  flip(inode.current[offset]);
  if (offset < inode.durable.size()) flip(inode.durable[offset]);
}

std::optional<std::string> MemoryFileSystem::durable_contents(const std::string& path) const {
  const std::lock_guard lock(state_->mutex);
  const auto entry = state_->disk.durable.find(normal(path));
  if (entry == state_->disk.durable.end()) return std::nullopt;
  return entry->second->durable;
}

MemoryFileSystem::Snapshot MemoryFileSystem::snapshot() const {
  const std::lock_guard lock(state_->mutex);
  Snapshot snapshot;
  snapshot.disk_ = std::make_shared<const Disk>(state_->disk.deep_copy());
  return snapshot;
}

void MemoryFileSystem::restore(const Snapshot& snapshot) {
  const std::lock_guard lock(state_->mutex);
  state_->disk = snapshot.disk_->deep_copy();
  state_->end_process();
}

}  // namespace tidemark
