#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidemark/sql/types.hpp"

/// The pieces of SQL text that every dialect writes.
namespace tidemark::sql {

/// Quotes an identifier: between two `quote` characters, those within doubled.
std::string quote_identifier(std::string_view name, char quote = '"');

/// Cuts a statement at each `?` outside of quotes and comments: one piece more than there are parameters.
std::vector<std::string_view> split_at_placeholders(std::string_view statement);

/// Replaces the `?` outside of quotes and comments by `$1`, `$2`, … as PostgreSQL wants them.
std::string number_placeholders(std::string_view statement);

/// The number of the shape's key columns, which stand first.
std::size_t key_column_count(const UpsertShape& shape) noexcept;

/// Joins `parts` with `separator` between them.
std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace tidemark::sql
