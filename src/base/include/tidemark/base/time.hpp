#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "tidemark/base/error.hpp"

namespace tidemark {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A point in time: microseconds since 1970-01-01T00:00:00Z, UTC.
using Timestamp = std::chrono::time_point<std::chrono::system_clock, microseconds>;

/// A point on the clock that never steps; comparable only within one run of the process.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, microseconds>;

inline constexpr std::int64_t to_micros(Timestamp t) noexcept {
  return t.time_since_epoch().count();
}
inline constexpr Timestamp from_micros(std::int64_t us) noexcept {
  return Timestamp(microseconds(us));
}

/// Parses an RFC 3339 date-time, years 0000 to 9999, any offset, lower-case `t` and `z` allowed, fractions of any
/// length cut (not rounded) to microseconds, leap second 60 read as the following second. Error: kInvalidArgument with
/// what is wrong and an example.
Result<Timestamp> parse_rfc3339(std::string_view text);

/// Writes `t` as RFC 3339 in UTC ending in Z: no fraction when whole seconds, else exactly six digits.
std::string format_rfc3339(Timestamp t);

/// Appends format_rfc3339(t) to `out` without allocating beyond `out`'s growth.
void append_rfc3339(std::string& out, Timestamp t);

/// Parses a duration setting: a whole number and a unit of us, ms, s, m, h, d (24 h) or w, such as `90s`, `32d`.
/// Several parts add up: `1h30m`. Error: kInvalidArgument. Never negative; refuses what doesn't fit 64 bits.
Result<microseconds> parse_duration(std::string_view text);

/// Writes a duration in its largest whole unit: `32d`, `5m`, `1500ms`.
std::string format_duration(microseconds d);

}  // namespace tidemark
