#pragma once

#include <sqlite3.h>

#include <optional>

#include "tidemark/base/error.hpp"

namespace tidemark::sql::sqlite {

/// Why one of our functions failed: SQLite itself passes only a text on.
struct FunctionState {
  std::optional<Errc> failure;
};

/// Registers, each answering the other argument where one is NULL:
///   tidemark_int_add(a, b)        64-bit sum; kOverflow
///   tidemark_decimal_add(a, b)    exact sum in the form that columns store; kOverflow
///   tidemark_decimal_min(a, b), tidemark_decimal_max(a, b)
/// A value that no column of ours stores fails with kCorrupt. `state` must outlive the handle.
int register_functions(sqlite3* handle, FunctionState& state);

}  // namespace tidemark::sql::sqlite
