#pragma once

#include <string>

#include "tidemark/client/event_sender.hpp"

namespace tidemark::app {

/// What every client command takes.
struct ServerAccess {
  std::string server;
  std::string token;
  bool json = false;
};

/// Sends the lines of `file`, or of standard input for `-`. Progress goes to standard error, the counts to standard
/// output. Returns the exit code: 1 if an event was in conflict, too late or invalid, or the server couldn't be
/// reached.
int send(const ServerAccess& access, const std::string& file);

/// Makes a sender that tells its progress on standard error.
client::EventSenderOptions sender_options(const ServerAccess& access);
void tell_progress(client::EventSender& sender);

/// Prints what was refused and the counts, as `new=N duplicate=N conflict=N too_late=N invalid=N`. Returns the exit
/// code.
int print_counts(const client::EventSender& sender, const Result<void>& finished, bool json);

}  // namespace tidemark::app
