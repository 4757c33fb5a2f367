#pragma once

#include <span>
#include <string_view>

namespace tidemark::config {

/// Returns the candidate that `name` most likely means, or nothing (empty) if none is near. Case, dashes, dots and
/// underscores don't count.
std::string_view closest(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace tidemark::config
