#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tidemark/base/decimal.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::sql {

enum class Engine : std::uint8_t { kSqlite, kPostgres, kMysql };

/// Column types that every database has; INTERFACES names how each is stored.
enum class Type : std::uint8_t {
  kText,      ///< Bytes compare, no padding. `size` bounds it in characters.
  kKeyText,   ///< As kText, but ASCII only: tenants, names, enumerations.
  kInt,       ///< Signed 64 bits.
  kDecimal,   ///< NUMERIC(38,12); in SQLite INTEGER or decimal text, see DESIGN 4.2.
  kTime,      ///< Microseconds, UTC.
  kBytes,     ///< Fixed `size` bytes.
  kUuid,      ///< Canonical lower-case text outside: uuid, CHAR(36), TEXT.
  kLongText,  ///< Unbounded text, never part of a key.
};

/// One value, owned. As a parameter of a statement text stands for every text type and kUuid; kBytes columns are
/// written through a Batch alone.
using Value = std::variant<std::monostate, std::int64_t, std::string, Decimal, Timestamp>;

struct Column {
  std::string_view name;
  Type type = Type::kText;
  int size = 0;
  bool nullable = false;
};

/// How a column changes when its row exists already. In kAdd, kMin and kMax a NULL on either side loses.
enum class Merge : std::uint8_t {
  kKey,      ///< Part of the primary key.
  kAdd,      ///< old + new; an overflow fails the call with kOverflow.
  kMin,      ///< The lesser. Numbers and times only, as kMax.
  kMax,      ///< The greater.
  kReplace,  ///< new.
  kKeep,     ///< old.
  kLatest,   ///< new if the row's `order_by` column is new >= old, else old.
};

struct UpsertColumn {
  Column column;
  Merge merge = Merge::kKey;
};

/// Shape of a bulk write: the table and its columns, key columns first. `order_by` names the kTime column that
/// Merge::kLatest compares; it must come after every kLatest column and not be nullable. How that column itself changes
/// (kMax, as a rule) never sways the comparison: it is with the value before the merge.
struct UpsertShape {
  std::string_view table;  ///< Without schema; the session adds its own.
  std::vector<UpsertColumn> columns;
  std::string_view order_by;
};

}  // namespace tidemark::sql
