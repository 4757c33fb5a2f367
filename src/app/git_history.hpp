#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "tidemark/base/error.hpp"

namespace tidemark::app {

/// What a history held that gave no events.
struct GitHistoryReport {
  std::uint64_t commits = 0;
  std::uint64_t events = 0;
  std::uint64_t binary_files = 0;        ///< Counted with no lines.
  std::uint64_t shallow_boundaries = 0;  ///< Commits left out: where a shallow clone ends, everything looks added.
};

/// Turns the output of `git log -z --numstat` into CloudEvents, one for each commit and changed file: source `git`,
/// type `change`, id `SHA:path`, subject the first two parts of the path, time the commit's. Bytes of a path that
/// aren't UTF-8 become U+FFFD. Feed it in pieces of any size.
class GitLogParser {
 public:
  /// `event` gets each event as one line of JSON without its newline.
  using Sink = std::function<Result<void>(std::string_view event)>;
  /// Commits in `boundaries` are counted and left out.
  explicit GitLogParser(Sink sink, std::set<std::string> boundaries = {})
      : sink_(std::move(sink)), boundaries_(std::move(boundaries)) {}

  Result<void> feed(std::string_view bytes);
  /// Ends the input. Error kCorrupt if it stops in the middle of an entry.
  Result<void> finish();
  const GitHistoryReport& report() const noexcept { return report_; }

 private:
  Result<void> field(std::string_view text);

  Sink sink_;
  std::set<std::string> boundaries_;
  bool skipping_ = false;
  GitHistoryReport report_;
  std::string pending_;
  std::string sha_;
  std::string time_;
};

/// Reads the history of the repository at `path`, merges left out since their changes are in their parents, and hands
/// each event to `sink`. Errors: kNotFound when `path` isn't a git repository or git isn't installed; kIo.
Result<GitHistoryReport> read_git_history(const std::string& path, const GitLogParser::Sink& sink);

}  // namespace tidemark::app
