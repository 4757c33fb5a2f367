#pragma once

namespace tidemark::app {

inline constexpr const char* kVersion = TIDEMARK_VERSION;

}  // namespace tidemark::app
