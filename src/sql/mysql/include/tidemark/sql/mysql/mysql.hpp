#pragma once

#include <memory>

#include "tidemark/base/file_system.hpp"
#include "tidemark/sql/server_options.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::sql::mysql {

/// A MariaDB server, 10.5 or later, or a MySQL server, 8.0.19 or later; MariaDB is what is tested. The URL is
/// `mysql://USER:PASSWORD@HOST:PORT/DATABASE` (or `mariadb://`), each part percent-encoded, with the parameters
/// `socket`, `ssl-mode` (DISABLED, PREFERRED, REQUIRED, VERIFY_IDENTITY), `ssl-ca`, `ssl-capath`, `ssl-cert` and
/// `ssl-key`. Touches no network. `files` must outlive the database. The process must ignore SIGPIPE where TLS is used.
/// Error: kInvalidArgument, with what is wrong in the URL.
Result<std::unique_ptr<Database>> open_database(ServerOptions options, FileSystem& files);

}  // namespace tidemark::sql::mysql
