#pragma once

#include "tidemark/base/error.hpp"

namespace tidemark::app {

inline constexpr int kExitFailed = 1;    ///< Failed while running.
inline constexpr int kExitUsage = 2;     ///< Usage or configuration.
inline constexpr int kExitUnusable = 3;  ///< Data directory locked or unusable.

}  // namespace tidemark::app
