#pragma once

#include <string_view>

#include "tidemark/base/error.hpp"

namespace tidemark::sql::postgres {

/// What an SQLSTATE of PostgreSQL means to us; kInternal for those that no statement of ours should cause.
Errc errc_of_sqlstate(std::string_view sqlstate) noexcept;

/// Makes the error of a statement that the server refused.
Error refused_statement(std::string_view sqlstate, std::string_view message);

/// Makes the error of a connection that wasn't made, from libpq's verbose text, which carries the SQLSTATE if the
/// server gave one.
Error refused_connection(std::string_view libpq_message);

}  // namespace tidemark::sql::postgres
