#include "tidemark/base/crash_point.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "tidemark/base/assert.hpp"

namespace tidemark {
namespace {

// Sorted by module, then in the order in which the code reaches them; one a line, so that branches merge.
// clang-format off
constexpr auto kSteps = std::to_array<std::string_view>({
    "arrivals.after_lookup",
    "arrivals.before_reply",
    "arrivals.after_reply",
    "base.replacement_written",
    "base.replacement_synced",
    "base.replacement_renamed",
    "flow.table_created",
    "flow.after_migration_step",
    "flow.migrated_kernel",
    "flow.after_begin",
    "flow.after_cursor",
    "flow.after_apply",
    "flow.before_commit",
    "flow.after_commit",
    "keyset.table_frozen",
    "keyset.segment_written",
    "keyset.segment_synced",
    "keyset.manifest_replaced",
    "keyset.merge_written",
    "keyset.merge_committed",
    "keyset.segment_dropped",
    "log.before_write",
    "log.after_write",
    "log.after_sync",
    "log.segment_prepared",
    "log.segment_rolled",
    "log.before_trim",
    "log.after_trim",
    "meters.table_created",
    "meters.index_created",
    "meters.migrated",
    "meters.uniques_written",
    "meters.totals_written",
    "meters.increments_written",
});
// clang-format on

bool is_step(std::string_view step) noexcept {
  return std::ranges::find(kSteps, step) != kSteps.end();
}

[[noreturn]] void refuse(const char* what, std::string_view value) noexcept {
  std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(value.size()), value.data());
  std::abort();
}

/// What TIDEMARK_CRASH_AT asks for. Read once: the environment isn't safe to read beside threads that change it.
struct Target {
  std::string_view step;
  std::uint64_t occurrence = 1;
};

Target read_target() noexcept {
  const char* value = std::getenv("TIDEMARK_CRASH_AT");
  if (value == nullptr || *value == '\0') return {};
  const std::string_view text(value);
  Target target{text.substr(0, text.find(':'))};
  if (target.step.size() < text.size()) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + target.step.size() + 1, end, target.occurrence);
    if (error != std::errc() || stop != end || target.occurrence == 0) {
      refuse("TIDEMARK_CRASH_AT is a step, or step:N with N from 1", text);
    }
  }
  // A misspelt step would never be reached, and the test that set it would pass for nothing.
  if (!is_step(target.step)) refuse("TIDEMARK_CRASH_AT names an unknown step", target.step);
  return target;
}

}  // namespace

std::span<const std::string_view> crash_steps() noexcept {
  return kSteps;
}

void crash_if_at(std::string_view step) noexcept {
  static const Target target = read_target();
  static std::atomic<std::uint64_t> reached{0};
  if (!is_step(step)) refuse("crash point missing in crash_point.cpp", step);
  if (step != target.step || ++reached != target.occurrence) return;
  ::kill(::getpid(), SIGKILL);
  while (true) ::pause();  // The signal may be taken by another thread first; nothing may happen after this step.
}

}  // namespace tidemark
