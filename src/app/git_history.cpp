#include "git_history.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tidemark/base/bytes.hpp"

extern char** environ;

namespace tidemark::app {
namespace {

constexpr char kCommitMark = '\x01';

/// The first two parts of a path, at most 255 characters.
std::string subject_of(const std::string& path) {
  const std::size_t first = path.find('/');
  const std::size_t second = first == std::string::npos ? first : path.find('/', first + 1);
  std::string subject = path.substr(0, second);
  std::size_t characters = 0;
  for (std::size_t i = 0; i < subject.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(subject[i]) & 0xc0) != 0x80;
    if (begins && ++characters > 255) {
      subject.resize(i);
      break;
    }
  }
  return subject;
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// `text` with every byte that breaks UTF-8, and U+0000, replaced.
std::string to_utf8(std::string_view text) {
  if (is_storable_text(text)) return std::string(text);
  const std::string json = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(json).get<std::string>();
}

/// Runs git and hands its standard output to `consume`. Answers its exit code.
Result<int> run_git(std::vector<std::string> arguments, const std::function<Result<void>(std::string_view)>& consume) {
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return fail(Errc::kIo, std::string("pipe: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  arguments.insert(arguments.begin(), "git");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int spawned = posix_spawnp(&child, "git", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  Result<void> consumed;
  if (spawned == 0) {
    std::vector<char> buffer(64 * 1024);
    for (;;) {
      const ssize_t got = read(pipe_ends[0], buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      consumed = consume({buffer.data(), static_cast<std::size_t>(got)});
      if (!consumed) break;  // git ends on its broken pipe.
    }
  }
  close(pipe_ends[0]);
  if (spawned != 0) return fail(Errc::kNotFound, std::string("git can't be started: ") + std::strerror(spawned));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!consumed) return fail(std::move(consumed).error());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

Result<void> GitLogParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\0');
    if (end == std::string_view::npos) {
      pending_.append(bytes);
      return {};
    }
    pending_.append(bytes.substr(0, end));
    TIDEMARK_TRY(field(pending_));
    pending_.clear();
    bytes.remove_prefix(end + 1);
  }
  return {};
}

Result<void> GitLogParser::finish() {
  if (!pending_.empty()) TIDEMARK_TRY(field(pending_));
  pending_.clear();
  return {};
}

/// One NUL-terminated field: a commit's head (mark, SHA, time), or `added TAB removed TAB path`, which git sets off
/// from the head by newlines.
Result<void> GitLogParser::field(std::string_view text) {
  while (!text.empty() && text.front() == '\n') text.remove_prefix(1);
  if (text.empty()) return {};
  if (text.front() == kCommitMark) {
    text.remove_prefix(1);
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return fail(Errc::kCorrupt, "git log gave a commit without a time");
    sha_ = text.substr(0, space);
    time_ = text.substr(space + 1);
    skipping_ = boundaries_.contains(sha_);
    ++(skipping_ ? report_.shallow_boundaries : report_.commits);
    return {};
  }
  const std::size_t first = text.find('\t');
  const std::size_t second = first == std::string_view::npos ? first : text.find('\t', first + 1);
  if (second == std::string_view::npos || sha_.empty()) {
    return fail(Errc::kCorrupt, "git log gave a line of no known form");
  }
  if (skipping_) return {};
  const std::string_view added = text.substr(0, first);
  const std::string_view removed = text.substr(first + 1, second - first - 1);
  const std::string path = to_utf8(text.substr(second + 1));
  if (added == "-") ++report_.binary_files;
  nlohmann::ordered_json event;
  event["specversion"] = "1.0";
  event["id"] = sha_ + ":" + path;
  event["source"] = "git";
  event["type"] = "change";
  event["subject"] = subject_of(path);
  event["time"] = time_;
  event["data"] = {{"sha", sha_}, {"path", path}, {"added", number(added)}, {"removed", number(removed)}};
  ++report_.events;
  return sink_(event.dump());
}

namespace {

/// git's arguments for reading the repository that the user named: whoever owns it (a clone made by a user is read by
/// root too), and whatever the user's own settings would leave out or put in.
std::vector<std::string> read_only(const std::string& path, std::vector<std::string> command) {
  std::vector<std::string> arguments = {"-c", "safe.directory=*", "-c", "log.showRoot=true", "-C", path};
  arguments.insert(arguments.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return arguments;
}

/// The commits at which a shallow clone ends; none in a whole one.
Result<std::set<std::string>> shallow_boundaries(const std::string& path) {
  std::string file;
  TIDEMARK_TRY_ASSIGN(const int code,
                      run_git(read_only(path, {"rev-parse", "--path-format=absolute", "--git-path", "shallow"}),
                              [&](std::string_view bytes) -> Result<void> {
                                file.append(bytes);
                                return {};
                              }));
  if (code != 0) return fail(Errc::kNotFound, "not a git repository, or git refuses to read it: " + path);
  if (file.ends_with('\n')) file.pop_back();
  std::set<std::string> boundaries;
  std::ifstream lines(file);
  for (std::string sha; std::getline(lines, sha);) boundaries.insert(sha);
  return boundaries;
}

}  // namespace

Result<GitHistoryReport> read_git_history(const std::string& path, const GitLogParser::Sink& sink) {
  TIDEMARK_TRY_ASSIGN(std::set<std::string> boundaries, shallow_boundaries(path));
  GitLogParser parser(sink, std::move(boundaries));
  TIDEMARK_TRY_ASSIGN(const int code,
                      run_git(read_only(path, {"log", "HEAD", "--no-merges", "--no-renames", "--numstat", "-z",
                                               "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative",
                                               "--no-show-signature", "--format=%x01%H %cI"}),
                              [&](std::string_view bytes) { return parser.feed(bytes); }));
  if (code != 0) return fail(Errc::kNotFound, "the repository has no commits to read: " + path);
  TIDEMARK_TRY(parser.finish());
  return parser.report();
}

}  // namespace tidemark::app
