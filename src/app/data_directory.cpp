#include "data_directory.hpp"

#include <charconv>

namespace tidemark::app {
namespace {

constexpr std::string_view kMark = "tidemark data directory, format ";
constexpr int kFormat = 1;

/// Names that may lie in a directory that isn't ours yet: what a first start that was killed leaves, and what a fresh
/// volume holds.
bool is_harmless(const std::string& name) {
  return name == "lock" || name == "lost+found" || name == "TIDEMARK.tmp";
}

/// Of a place that can't be written to; a full disk is none of them, and passes.
Error unusable(const Error& error) {
  if (error.code() == Errc::kDiskFull) return error;
  return Error(Errc::kRefused,
               "the data directory must be writable by the server's user; mend that, or name another with --data: " +
                   error.message());
}

Result<void> check_mark(FileSystem& files, const std::string& path, const std::string& mark) {
  TIDEMARK_TRY_ASSIGN(const std::string text, read_file(files, mark, 256));
  int format = 0;
  if (text.starts_with(kMark)) {
    std::from_chars(text.data() + kMark.size(), text.data() + text.size(), format);
  }
  if (format <= 0) {
    return fail(Errc::kRefused,
                "the file that marks a data directory can't be read; restore it from a backup: " + mark);
  }
  if (format > kFormat) {
    return fail(Errc::kRefused, "the data directory was written by a newer version of tidemark (format " +
                                    std::to_string(format) + ", this one knows " + std::to_string(kFormat) +
                                    "); run that version, or name another directory with --data: " + path);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DataDirectory>> DataDirectory::open(FileSystem& files, const std::string& path) {
  if (const auto made = files.make_directories(path); !made) return fail(unusable(made.error()));
  const std::string mark = path + "/TIDEMARK";
  TIDEMARK_TRY_ASSIGN(const bool marked, files.exists(mark));
  if (!marked) {
    TIDEMARK_TRY_ASSIGN(const std::vector<std::string> names, files.list(path));
    for (const std::string& name : names) {
      if (is_harmless(name)) continue;
      return fail(Errc::kRefused, "the directory holds files that tidemark didn't write, such as `" + name +
                                      "`; name an empty or new one with --data: " + path);
    }
  }
  auto lock = files.lock(path + "/lock");
  if (!lock) {
    if (lock.error().code() != Errc::kLocked) return fail(unusable(lock.error()));
    return fail(Errc::kLocked,
                "another tidemark serves on this data directory; stop it, or name another with --data: " + path);
  }
  if (marked) {
    TIDEMARK_TRY(check_mark(files, path, mark));
  } else {
    TIDEMARK_TRY(replace_file(files, mark, as_bytes(std::string(kMark) + std::to_string(kFormat) + "\n")));
  }
  return std::unique_ptr<DataDirectory>(new DataDirectory(path, std::move(*lock)));
}

}  // namespace tidemark::app
