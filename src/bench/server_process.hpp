#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tidemark/base/error.hpp"

namespace tidemark::bench {

/// A server that this process has started. Stopped, hard if need be, when destroyed.
class ServerProcess {
 public:
  /// Runs `program` with `arguments`, its log to the file `log`, and waits until it listens. `pinned`: on the first
  /// core alone. Error kUnavailable with what it wrote last.
  static Result<std::unique_ptr<ServerProcess>> start(const std::string& program,
                                                      const std::vector<std::string>& arguments, const std::string& log,
                                                      bool pinned);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  int pid() const noexcept { return pid_; }
  /// As it says itself: `http://HOST:PORT`.
  const std::string& url() const noexcept { return url_; }
  /// SIGTERM; waits for the end. Error kInternal when it didn't end with 0.
  Result<void> stop();
  /// SIGKILL; waits for the end.
  void kill_now();

 private:
  ServerProcess() = default;
  int pid_ = -1;
  int output_ = -1;
  std::string url_;
};

}  // namespace tidemark::bench
