#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tidemark/base/error.hpp"
#include "tidemark/sql/batch.hpp"
#include "tidemark/sql/types.hpp"

/// PostgreSQL's binary forms of values and arrays (big-endian).
namespace tidemark::sql::postgres {

/// Numbers that the server gives its types; they never change.
enum class Oid : std::uint32_t {
  kUnknown = 0,
  kBool = 16,
  kBytea = 17,
  kName = 19,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kVarchar = 1043,
  kBpchar = 1042,
  kTimestamptz = 1184,
  kNumeric = 1700,
  kUuid = 2950,
};

/// The type's name, as in `unnest($1::text[])`.
std::string_view array_element_name(Type type) noexcept;

/// Appends one value as the server's type `oid` receives it. Error: kDataRejected for text that isn't a UUID.
Result<void> append_value(std::string& out, Oid oid, const Value& value);

/// Appends the one-dimensional array of the rows [begin, end) of a batch's column, in order.
/// Error: kDataRejected for text that isn't a UUID.
Result<void> append_array(std::string& out, const Batch& batch, std::size_t column, Type type, std::size_t begin,
                          std::size_t end);

/// Reads a value that isn't NULL, of the server's type `oid`, as `type`. Error: kInternal if the one can't be the
/// other.
Result<Value> read_value(std::string_view bytes, Oid oid, Type type);

}  // namespace tidemark::sql::postgres
