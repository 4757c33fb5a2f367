#pragma once

#include <memory>
#include <string>

#include "tidemark/base/clock.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/base/random.hpp"
#include "tidemark/config/settings.hpp"

namespace tidemark::app {

/// The exit code that an error of Server::start() stands for.
int exit_code(const Error& error) noexcept;

/// Everything that `tidemark serve` runs, wired together.
class Server {
 public:
  Server(const config::Settings& settings, FileSystem& files, Clock& clock, Random& random);
  ~Server();

  /// Takes the data directory, recovers log and key set, puts the meters into force, starts the threads and opens the
  /// doors. The database need not be there yet. Errors: kLocked, kRefused and kCorrupt of the data directory,
  /// kInvalidArgument of the settings, kUnavailable when the address is in use.
  Result<void> start();

  std::string url() const;

  /// Closes the doors, answers what is under way, applies what the log holds as far as shutdown_timeout allows, and
  /// joins all threads. Returns 0, or 1 when a fatal error ended the run.
  int stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::app
