#pragma once

#include <optional>
#include <string>

#include "tidemark/base/error.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::sql {

/// How a database server is reached and used, whichever it is.
struct ServerOptions {
  std::string url = {};
  /// Its first line is the password. Read at each connection, so that a rotated password is taken up; wins over the
  /// URL's and over `password`.
  std::string password_file = {};
  /// Used where neither the file nor the URL gives one.
  std::string password = {};
  /// PostgreSQL: the schema of all tables, `public` if empty. MySQL: the database, in place of the URL's.
  std::string schema = {};
  /// PostgreSQL: the role that sessions take on after they log in; none if empty.
  std::string role = {};
  microseconds connect_timeout = seconds(10);
  /// The server stops a statement after this time. Should it not even say so, the session ends `kNetworkGrace` later.
  microseconds statement_timeout = seconds(30);
  /// Of one wait for a row, a table or the migration lock. MySQL counts it in whole seconds, rounded up.
  microseconds lock_timeout = seconds(10);
};

/// How much longer than the server's own time-out a session waits for its word.
inline constexpr microseconds kNetworkGrace = seconds(2);

/// The password of the file or else `url_password` or else that of the options; nothing if there is none.
/// Errors: those of read_file, naming the file.
Result<std::optional<std::string>> choose_password(const ServerOptions& options,
                                                   std::optional<std::string> url_password, FileSystem& files);

}  // namespace tidemark::sql
