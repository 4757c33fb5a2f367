#pragma once

#include "tidemark/sql/types.hpp"

/// The kernel's tables, as INTERFACES names them.
namespace tidemark::flow {

inline constexpr std::string_view kCursorTable = "tidemark_cursors";

/// The whole row of tidemark_dead_letters but for resolved_at, which people set.
const sql::UpsertShape& dead_letter_shape();

}  // namespace tidemark::flow
