#pragma once

#include <string_view>

#include "tidemark/base/error.hpp"

namespace tidemark::sql::mysql {

/// What an error number of MariaDB, MySQL or their client library means to us; kInternal for those that no statement of
/// ours should cause. The text tells full disks from other faults of a storage engine.
Errc errc_of_number(unsigned number, std::string_view message) noexcept;

/// Makes the error of a statement that the server refused, or of a connection that broke under it.
Error refused_statement(unsigned number, std::string_view message);

/// Makes the error of a connection that wasn't made.
Error refused_connection(unsigned number, std::string_view message);

}  // namespace tidemark::sql::mysql
