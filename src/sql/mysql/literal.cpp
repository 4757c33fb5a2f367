#include "literal.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>

#include "tidemark/base/bytes.hpp"

namespace tidemark::sql::mysql {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

tl::unexpected<Error> rejected(std::string_view column, std::string_view why) {
  return fail(Errc::kDataRejected, "a value of column " + std::string(column) + " " + std::string(why));
}

void append_digits(std::string& out, unsigned value, std::size_t width) {
  std::array<char, 10> digits;
  for (std::size_t i = width; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
  out.append(digits.data(), width);
}

/// `TIMESTAMP'2024-02-29 12:00:00.000001'`: typed, so that it is compared as a time wherever it stands.
bool append_time_literal(std::string& out, Timestamp time) {
  const auto day = std::chrono::floor<days>(time);
  const year_month_day date{sys_days(day)};
  const int year = static_cast<int>(date.year());
  if (year < 0 || year > 9999) return false;
  const auto micros = static_cast<std::uint64_t>((time - day).count());
  const auto second_of_day = static_cast<unsigned>(micros / 1'000'000);
  out += "TIMESTAMP'";
  append_digits(out, static_cast<unsigned>(year), 4);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.day()), 2);
  out += ' ';
  append_digits(out, second_of_day / 3600, 2);
  out += ':';
  append_digits(out, second_of_day / 60 % 60, 2);
  out += ':';
  append_digits(out, second_of_day % 60, 2);
  out += '.';
  append_digits(out, static_cast<unsigned>(micros % 1'000'000), 6);
  out += '\'';
  return true;
}

void append_int(std::string& out, std::int64_t value) {
  std::array<char, 24> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end);
}

void append_hex_literal(std::string& out, std::string_view bytes) {
  out += "X'";
  out += to_hex(as_bytes(bytes));
  out += '\'';
}

bool is_longer_than(std::string_view text, int characters) {
  if (text.size() <= static_cast<std::size_t>(characters)) return false;
  const auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  return std::count_if(text.begin(), text.end(), starts_character) > characters;
}

/// `2024-02-29 12:00:00.000001`, the fraction perhaps absent.
std::optional<Timestamp> read_time(std::string_view text) {
  if (text.size() < 19 || text[4] != '-' || text[10] != ' ') return std::nullopt;
  std::string rfc3339(text);
  rfc3339[10] = 'T';
  rfc3339 += 'Z';
  const Result<Timestamp> time = parse_rfc3339(rfc3339);
  return time ? std::optional(*time) : std::nullopt;
}

std::optional<std::int64_t> read_int(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stopped == end) return value;
  const Result<Decimal> decimal = Decimal::parse(text);  // A SUM of integers is a decimal here.
  if (!decimal || !decimal->is_int64()) return std::nullopt;
  return decimal->as_int64();
}

}  // namespace

void append_text_literal(std::string& out, std::string_view text) {
  out += '\'';
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t quote = std::min(text.find('\'', at), text.size());
    out.append(text, at, quote - at);
    if (quote < text.size()) out += "''";
    at = quote + 1;
  }
  out += '\'';
}

Result<void> append_literal(std::string& out, const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) {
    out += "NULL";
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    append_int(out, *integer);
  } else if (const auto* decimal = std::get_if<Decimal>(&value)) {
    decimal->append_to(out);
  } else if (const auto* time = std::get_if<Timestamp>(&value)) {
    if (!append_time_literal(out, *time)) return rejected("of a parameter", "is outside of the years 0 to 9999");
  } else {
    append_text_literal(out, std::get<std::string>(value));
  }
  return {};
}

Result<void> append_literal(std::string& out, const Batch& batch, std::size_t row, std::size_t column,
                            const Column& declared) {
  if (batch.is_null(row, column)) {
    out += "NULL";
    return {};
  }
  switch (declared.type) {
    case Type::kText:
    case Type::kKeyText: {
      // The server refuses what is too long, but cuts blanks off.
      const std::string_view text = batch.text(row, column);
      if (is_longer_than(text, declared.size)) return rejected(declared.name, "is too long");
      append_text_literal(out, text);
      break;
    }
    case Type::kLongText:
      append_text_literal(out, batch.text(row, column));
      break;
    case Type::kUuid:
      if (batch.text(row, column).size() != 36) return rejected(declared.name, "isn't a canonical UUID");
      out += "_ascii";
      append_text_literal(out, batch.text(row, column));
      out += " COLLATE ascii_bin";
      break;
    case Type::kBytes:  // The server would pad what is too short.
      if (batch.text(row, column).size() != static_cast<std::size_t>(declared.size)) {
        return rejected(declared.name, "hasn't the column's number of bytes");
      }
      append_hex_literal(out, batch.text(row, column));
      break;
    case Type::kInt:
      append_int(out, batch.integer(row, column));
      break;
    case Type::kDecimal:
      batch.decimal(row, column).append_to(out);
      break;
    case Type::kTime:
      if (!append_time_literal(out, batch.time(row, column))) {
        return rejected(declared.name, "is outside of the years 0 to 9999");
      }
      break;
  }
  return {};
}

Result<Value> read_value(std::string_view text, Type type) {
  switch (type) {
    case Type::kText:
    case Type::kKeyText:
    case Type::kLongText:
    case Type::kBytes:
    case Type::kUuid:
      return Value(std::string(text));
    case Type::kInt:
      if (const auto value = read_int(text)) return Value(*value);
      break;
    case Type::kDecimal:
      if (const Result<Decimal> value = Decimal::parse(text)) return Value(*value);
      break;
    case Type::kTime:
      if (const auto value = read_time(text)) return Value(*value);
      break;
  }
  return fail(Errc::kInternal, "a result column of MySQL isn't of the type that was asked for");
}

}  // namespace tidemark::sql::mysql
