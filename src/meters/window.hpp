#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "tidemark/meters/definition.hpp"

namespace tidemark::meters {

/// All window sizes in the order of their names' bytes, which is the order of their rows in a table.
inline constexpr std::array kWindowSizesByName{WindowSize::kDay, WindowSize::kHour, WindowSize::kMonth,
                                               WindowSize::kTotal};

std::optional<WindowSize> window_size_from_name(std::string_view name) noexcept;

/// The smallest of `windows`; every other one is made of whole windows of it.
WindowSize finest_window(const std::vector<WindowSize>& windows) noexcept;

}  // namespace tidemark::meters
