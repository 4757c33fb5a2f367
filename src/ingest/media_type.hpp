#pragma once

#include <string_view>

namespace tidemark::ingest {

/// True if `value`, a Content-Type with or without parameters, names the media type `expected` (lower case).
bool is_media_type(std::string_view value, std::string_view expected) noexcept;

/// True if both are the same text, ASCII letters compared without case.
bool same_ignoring_case(std::string_view a, std::string_view b) noexcept;

}  // namespace tidemark::ingest
