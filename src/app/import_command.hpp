#pragma once

#include <string>

#include "send_command.hpp"

namespace tidemark::app {

struct ImportGit {
  std::string repository = ".";
  std::string sample;  ///< Events to send when the repository has no history; none if empty.
};

/// Sends the history of a git repository. Returns the exit code, as send() does.
int import(const ServerAccess& access, const ImportGit& import);

}  // namespace tidemark::app
