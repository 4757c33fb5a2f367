#pragma once

#include <string>

namespace tidemark::sql::testing {

/// A database server for one test alone, which may stop it, restart it or fill it up. Runs tests/servers.sh with a
/// directory of its own; throws with what the script said where that fails.
class PrivateServer {
 public:
  /// `name`: postgres or mysql. `options`: of the server's command line, for each start. `file_kib`: what no file of
  /// the server may exceed, as on a full disk; 0 for no such bound.
  explicit PrivateServer(std::string name, std::string options = "", int file_kib = 0);
  /// Stops the server and removes its data.
  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  void start();
  void stop();
  /// Of a user with every right; the same after a restart.
  const std::string& url() const noexcept { return url_; }

 private:
  std::string run(const std::string& action) const;

  const std::string name_;
  const std::string options_;
  const int file_kib_;
  const std::string directory_;
  std::string url_;
};

/// The path of a file of this repository, from its root.
std::string repository_path(const std::string& path);

}  // namespace tidemark::sql::testing
