#include "window.hpp"

#include <algorithm>
#include <array>

namespace tidemark::meters {
namespace {

using std::chrono::days;
using std::chrono::months;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 4> kNames{"TOTAL", "HOUR", "DAY", "MONTH"};

Timestamp month_start(Timestamp t) noexcept {
  const year_month_day date(std::chrono::floor<days>(t));
  return sys_days(date.year() / date.month() / 1);
}

}  // namespace

std::string_view window_size_name(WindowSize size) noexcept {
  return kNames[static_cast<std::size_t>(size)];
}

std::optional<WindowSize> window_size_from_name(std::string_view name) noexcept {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<WindowSize>(found - kNames.begin());
}

Timestamp window_start(WindowSize size, Timestamp t) noexcept {
  switch (size) {
    case WindowSize::kTotal:
      return Timestamp();
    case WindowSize::kHour:
      return std::chrono::floor<std::chrono::hours>(t);
    case WindowSize::kDay:
      return std::chrono::floor<days>(t);
    case WindowSize::kMonth:
      return month_start(t);
  }
  return Timestamp();
}

WindowSize finest_window(const std::vector<WindowSize>& windows) noexcept {
  for (const WindowSize size : {WindowSize::kHour, WindowSize::kDay, WindowSize::kMonth}) {
    if (std::ranges::find(windows, size) != windows.end()) return size;
  }
  return WindowSize::kTotal;
}

}  // namespace tidemark::meters
