#pragma once

#include <memory>

#include "tidemark/base/file_system.hpp"
#include "tidemark/sql/server_options.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::sql::postgres {

/// A PostgreSQL server, version 12 or later. The URL (`postgres://`, `postgresql://`) is read by libpq: TLS (`sslmode`,
/// `sslrootcert`, …), several hosts, sockets and everything else that libpq knows work as its documentation says,
/// PGPASSWORD and the password file of libpq included. Touches no network. `files` must outlive the database. Error:
/// kInvalidArgument, with what is wrong in the URL or the schema's name.
Result<std::unique_ptr<Database>> open_database(ServerOptions options, FileSystem& files);

}  // namespace tidemark::sql::postgres
