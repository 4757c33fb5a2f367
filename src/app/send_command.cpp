#include "send_command.hpp"

#include <unistd.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>

#include "exit_code.hpp"

namespace tidemark::app {

client::EventSenderOptions sender_options(const ServerAccess& access) {
  client::EventSenderOptions options;
  options.server = access.server;
  options.token = access.token;
  return options;
}

void tell_progress(client::EventSender& sender) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  using Steady = std::chrono::steady_clock;
  sender.on_progress = [terminal, last = Steady::now()](const client::VerdictCounts& counts) mutable {
    // A terminal sees one line that moves; a file one line now and then.
    const auto interval = terminal ? milliseconds(200) : seconds(5);
    if (Steady::now() - last < interval) return;
    last = Steady::now();
    std::cerr << (terminal ? "\r" : "") << counts.total() << " events answered" << (terminal ? "" : "\n") << std::flush;
  };
  sender.on_retry = [terminal](const Error& error, microseconds wait) {
    std::cerr << (terminal ? "\n" : "") << "no answer yet, trying again in " << wait / milliseconds(1)
              << " ms: " << error.message() << '\n';
  };
}

int print_counts(const client::EventSender& sender, const Result<void>& finished, bool json) {
  const client::VerdictCounts& counts = sender.counts();
  if (isatty(STDERR_FILENO) != 0) std::cerr << "\r\033[K";
  for (const client::RefusedEvent& event : sender.refused()) {
    std::cerr << "line " << event.line << ": " << event.verdict;
    if (!event.field.empty()) std::cerr << ": " << event.field;
    if (!event.detail.empty()) std::cerr << ": " << event.detail;
    std::cerr << '\n';
  }
  if (!finished) std::cerr << "tidemark: " << finished.error().message() << '\n';
  if (json) {
    const nlohmann::ordered_json answer = {{"new", counts.fresh},
                                           {"duplicate", counts.duplicate},
                                           {"conflict", counts.conflict},
                                           {"too_late", counts.too_late},
                                           {"invalid", counts.invalid}};
    std::cout << answer.dump() << std::endl;
  } else {
    std::cout << "new=" << counts.fresh << " duplicate=" << counts.duplicate << " conflict=" << counts.conflict
              << " too_late=" << counts.too_late << " invalid=" << counts.invalid << std::endl;
  }
  const bool refused = counts.conflict + counts.too_late + counts.invalid > 0;
  return finished && !refused ? 0 : kExitFailed;
}

int send(const ServerAccess& access, const std::string& file) {
  std::ifstream opened;
  if (file != "-") {
    opened.open(file);
    if (!opened) {
      std::cerr << "tidemark: the file can't be opened; name one, or - for standard input: " << file << '\n';
      return kExitUsage;
    }
  }
  std::istream& input = file == "-" ? std::cin : opened;
  client::EventSender sender(sender_options(access));
  tell_progress(sender);
  const auto read = [&input, &file](std::span<char> room) -> Result<std::size_t> {
    input.read(room.data(), static_cast<std::streamsize>(room.size()));
    if (input.bad()) return fail(Errc::kIo, "the file can't be read: " + file);
    return static_cast<std::size_t>(input.gcount());
  };
  return print_counts(sender, sender.send_all(read), access.json);
}

}  // namespace tidemark::app
