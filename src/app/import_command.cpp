#include "import_command.hpp"

#include <iostream>

#include "exit_code.hpp"
#include "git_history.hpp"

namespace tidemark::app {

int import(const ServerAccess& access, const ImportGit& import) {
  std::cerr << "counting the history of " << import.repository << '\n';
  client::EventSender sender(sender_options(access));
  tell_progress(sender);
  const auto history = read_git_history(import.repository, [&](std::string_view event) { return sender.add(event); });
  if (history && history->shallow_boundaries > 0) {
    std::cerr << "the clone is shallow: left out " << history->shallow_boundaries
              << " commits at its end, which look as if they had added every file\n";
  }
  const bool nothing = history ? history->events == 0 : history.error().code() == Errc::kNotFound;
  if (nothing && !import.sample.empty()) {
    std::cerr << (history ? "the history has no changed files" : history.error().message())
              << "; sending the bundled sample instead\n";
    return send(access, import.sample);
  }
  const Result<void> finished = history ? sender.finish() : fail(history.error());
  if (history) {
    std::cerr << history->commits << " commits, " << history->events << " changed files, " << history->binary_files
              << " of them binary\n";
  }
  return print_counts(sender, finished, access.json);
}

}  // namespace tidemark::app
