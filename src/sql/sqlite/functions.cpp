#include "functions.hpp"

#include <cstdint>
#include <utility>

#include "tidemark/base/decimal.hpp"
#include "values.hpp"

namespace tidemark::sql::sqlite {
namespace {

void give_up(sqlite3_context* context, Errc code, const char* message) {
  static_cast<FunctionState*>(sqlite3_user_data(context))->failure = code;
  sqlite3_result_error(context, message, -1);
}

void answer(sqlite3_context* context, Decimal value) {
  if (value.is_int64()) return sqlite3_result_int64(context, value.as_int64());
  const std::string text = value.to_string();
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

/// Answers the other argument, and true, when one is NULL.
bool answer_where_null(sqlite3_context* context, sqlite3_value** arguments) {
  for (const int i : {0, 1}) {
    if (sqlite3_value_type(arguments[i]) != SQLITE_NULL) continue;
    sqlite3_result_value(context, arguments[1 - i]);
    return true;
  }
  return false;
}

void add_integers(sqlite3_context* context, int, sqlite3_value** arguments) {
  if (answer_where_null(context, arguments)) return;
  for (const int i : {0, 1}) {
    if (sqlite3_value_type(arguments[i]) != SQLITE_INTEGER) return give_up(context, Errc::kCorrupt, "not an integer");
  }
  std::int64_t sum = 0;
  if (__builtin_add_overflow(sqlite3_value_int64(arguments[0]), sqlite3_value_int64(arguments[1]), &sum)) {
    return give_up(context, Errc::kOverflow, "a sum leaves the range of 64 bits");
  }
  sqlite3_result_int64(context, sum);
}

/// Runs `combine` on both decimals unless one is NULL or can't be read.
template <class Combine>
void with_decimals(sqlite3_context* context, sqlite3_value** arguments, Combine combine) {
  if (answer_where_null(context, arguments)) return;
  const Result<Decimal> left = read_decimal(arguments[0]);
  const Result<Decimal> right = read_decimal(arguments[1]);
  if (!left || !right) return give_up(context, Errc::kCorrupt, "a stored decimal can't be read");
  combine(*left, *right);
}

void add_decimals(sqlite3_context* context, int, sqlite3_value** arguments) {
  with_decimals(context, arguments, [&](Decimal left, Decimal right) {
    const std::optional<Decimal> sum = left.plus(right);
    if (!sum) return give_up(context, Errc::kOverflow, "a sum leaves the range of NUMERIC(38,12)");
    answer(context, *sum);
  });
}

void lesser_decimal(sqlite3_context* context, int, sqlite3_value** arguments) {
  with_decimals(context, arguments, [&](Decimal left, Decimal right) { answer(context, left < right ? left : right); });
}

void greater_decimal(sqlite3_context* context, int, sqlite3_value** arguments) {
  with_decimals(context, arguments, [&](Decimal left, Decimal right) { answer(context, left < right ? right : left); });
}

}  // namespace

int register_functions(sqlite3* handle, FunctionState& state) {
  using Function = void (*)(sqlite3_context*, int, sqlite3_value**);
  constexpr std::pair<const char*, Function> kFunctions[] = {
      {"tidemark_int_add", add_integers},
      {"tidemark_decimal_add", add_decimals},
      {"tidemark_decimal_min", lesser_decimal},
      {"tidemark_decimal_max", greater_decimal},
  };
  for (const auto& [name, function] : kFunctions) {
    const int code = sqlite3_create_function_v2(handle, name, 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                                &state, function, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

}  // namespace tidemark::sql::sqlite
