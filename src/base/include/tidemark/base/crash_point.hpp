#pragma once

#include <span>
#include <string_view>

namespace tidemark {

/// Every step at which a test build can be stopped dead, in the order of crash_point.cpp. A step is written
/// `module.what_just_happened`, or `module.before_what`.
std::span<const std::string_view> crash_steps() noexcept;

/// Kills the process with SIGKILL if TIDEMARK_CRASH_AT names `step`, or names it as `step:N` and this is the N-th time
/// (from 1) that it is reached. Aborts if `step` isn't in crash_steps().
void crash_if_at(std::string_view step) noexcept;

}  // namespace tidemark

/// Marks a step; compiled in only where the build has TIDEMARK_CRASH_POINTS.
#if defined(TIDEMARK_CRASH_POINTS)
#define TIDEMARK_CRASH_POINT(step) ::tidemark::crash_if_at(step)
#else
#define TIDEMARK_CRASH_POINT(step) static_cast<void>(0)
#endif
