#include "tidemark/base/time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace tidemark {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr Timestamp kFirst{std::chrono::sys_days(std::chrono::year(0) / 1 / 1)};
constexpr Timestamp kEnd{std::chrono::sys_days(std::chrono::year(10000) / 1 / 1)};

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// Takes text apart from the left; failed once anything didn't fit.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : rest_(text) {}

  /// Exactly `width` digits.
  int number(std::size_t width) noexcept {
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (rest_.empty() || !is_digit(rest_.front())) return fail();
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }
  void expect(char wanted) noexcept {
    if (!take(wanted)) fail();
  }
  bool take(char wanted) noexcept {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_digit() const noexcept { return !rest_.empty() && is_digit(rest_.front()); }
  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return rest_.empty(); }
  int fail() noexcept {
    ok_ = false;
    rest_ = {};
    return 0;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

struct DateTime {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  microseconds fraction{0};
  minutes offset{0};
};

/// Digits after the point; those past the sixth are dropped.
microseconds scan_fraction(Scanner& scanner) noexcept {
  std::int64_t value = 0;
  int digits = 0;
  for (; scanner.at_digit(); ++digits) {
    const int digit = scanner.number(1);
    if (digits < 6) value = value * 10 + digit;
  }
  if (digits == 0) scanner.fail();
  for (; digits < 6; ++digits) value *= 10;
  return microseconds(value);
}

minutes scan_offset(Scanner& scanner) noexcept {
  if (scanner.take('Z') || scanner.take('z')) return minutes(0);
  const bool west = scanner.take('-');
  if (!west) scanner.expect('+');
  const int hour = scanner.number(2);
  scanner.expect(':');
  const int minute = scanner.number(2);
  if (hour > 23 || minute > 59) scanner.fail();
  const minutes offset = hours(hour) + minutes(minute);
  return west ? -offset : offset;
}

std::optional<DateTime> scan(std::string_view text) noexcept {
  Scanner scanner(text);
  DateTime parts;
  parts.year = scanner.number(4);
  scanner.expect('-');
  parts.month = scanner.number(2);
  scanner.expect('-');
  parts.day = scanner.number(2);
  if (!scanner.take('T')) scanner.expect('t');
  parts.hour = scanner.number(2);
  scanner.expect(':');
  parts.minute = scanner.number(2);
  scanner.expect(':');
  parts.second = scanner.number(2);
  if (scanner.take('.')) parts.fraction = scan_fraction(scanner);
  parts.offset = scan_offset(scanner);
  if (!scanner.ok() || !scanner.at_end()) return std::nullopt;
  return parts;
}

tl::unexpected<Error> bad_time(std::string_view what) {
  return fail(Errc::kInvalidArgument, std::string(what) + "; write an RFC 3339 time such as 2024-05-01T12:30:00Z");
}

void append_number(std::string& out, std::int64_t value, std::size_t width) {
  std::array<char, 20> buffer;
  const char* end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  const auto length = static_cast<std::size_t>(end - buffer.data());
  if (length < width) out.append(width - length, '0');
  out.append(buffer.data(), length);
}

struct Unit {
  std::string_view name;
  microseconds length;
};

constexpr auto kUnits = std::to_array<Unit>({
    {"w", days(7)},
    {"d", days(1)},
    {"h", hours(1)},
    {"m", minutes(1)},
    {"s", seconds(1)},
    {"ms", milliseconds(1)},
    {"us", microseconds(1)},
});

/// Reads one `number unit` off the front of `text` and adds it to `total`; false if it doesn't fit.
bool add_part(std::string_view& text, std::int64_t& total) noexcept {
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || text.front() == '-') return false;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  const auto name_end = std::ranges::find_if(text, is_digit);
  const std::string_view name = text.substr(0, static_cast<std::size_t>(name_end - text.begin()));
  const auto unit = std::ranges::find(kUnits, name, &Unit::name);
  if (unit == kUnits.end()) return false;
  text.remove_prefix(name.size());
  std::int64_t part = 0;
  return !__builtin_mul_overflow(number, unit->length.count(), &part) && !__builtin_add_overflow(total, part, &total);
}

}  // namespace

Result<Timestamp> parse_rfc3339(std::string_view text) {
  const auto parts = scan(text);
  if (!parts) return bad_time("not a time");
  const auto date = std::chrono::year(parts->year) / parts->month / parts->day;
  if (!date.ok()) return bad_time("no such date");
  if (parts->hour > 23 || parts->minute > 59 || parts->second > 60) return bad_time("no such time of day");
  const Timestamp local = std::chrono::sys_days(date) + hours(parts->hour) + minutes(parts->minute) +
                          seconds(parts->second) + parts->fraction;
  const Timestamp utc = local - parts->offset;
  if (utc < kFirst || utc >= kEnd) return bad_time("time lies outside the years 0000 to 9999 in UTC");
  return utc;
}

std::string format_rfc3339(Timestamp t) {
  std::string out;
  append_rfc3339(out, t);
  return out;
}

void append_rfc3339(std::string& out, Timestamp t) {
  t = std::clamp(t, kFirst, kEnd - microseconds(1));
  const auto day = std::chrono::floor<days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(t - day);
  append_number(out, static_cast<int>(date.year()), 4);
  out.push_back('-');
  append_number(out, static_cast<unsigned>(date.month()), 2);
  out.push_back('-');
  append_number(out, static_cast<unsigned>(date.day()), 2);
  out.push_back('T');
  append_number(out, time.hours().count(), 2);
  out.push_back(':');
  append_number(out, time.minutes().count(), 2);
  out.push_back(':');
  append_number(out, time.seconds().count(), 2);
  if (time.subseconds().count() != 0) {
    out.push_back('.');
    append_number(out, time.subseconds().count(), 6);
  }
  out.push_back('Z');
}

Result<microseconds> parse_duration(std::string_view text) {
  std::int64_t total = 0;
  std::string_view rest = text;
  bool fits = !rest.empty();
  while (fits && !rest.empty()) fits = add_part(rest, total);
  if (!fits) {
    return fail(Errc::kInvalidArgument,
                "not a duration; write whole numbers with a unit of us, ms, s, m, h, d or w, such as 90s or 1h30m: " +
                    std::string(text));
  }
  return microseconds(total);
}

std::string format_duration(microseconds d) {
  if (d.count() == 0) return "0s";
  // From days down: weeks are read but not written, 14d says more than 2w.
  const auto unit =
      std::find_if(kUnits.begin() + 1, kUnits.end(), [d](const Unit& u) { return d % u.length == microseconds(0); });
  return std::to_string(d / unit->length).append(unit->name);
}

}  // namespace tidemark
