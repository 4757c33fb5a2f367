#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tidemark/base/error.hpp"

namespace tidemark::meters {

/// A member's name, or an element's index from 0.
using PathStep = std::variant<std::string, std::uint32_t>;
using JsonPath = std::vector<PathStep>;

inline constexpr std::size_t kMaxPathBytes = 512;
inline constexpr std::size_t kMaxPathSteps = 16;

/// Compiles the part of JSONPath that names one place: `$.a.b`, `$.a[0]`, `$['a b']`, `$["a"]`; within quotes `\` takes
/// the next character as it is. Error kInvalidArgument says what is wrong and what is accepted.
Result<JsonPath> parse_json_path(std::string_view text);

}  // namespace tidemark::meters
