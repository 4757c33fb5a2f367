// Any file is either loaded or refused with problems that name what is wrong, in bounds, and what is loaded can be
// shown.
#include <cstddef>
#include <cstdint>
#include <string>

#include "tidemark/base/assert.hpp"
#include "tidemark/base/bytes.hpp"
#include "tidemark/config/load.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidemark;
  const auto result = config::load({"fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size), {}, {}, {}});
  if (result) {
    TIDEMARK_ASSERT(result->settings.identity_window >=
                    result->settings.max_event_age + result->settings.max_future_skew);
    TIDEMARK_ASSERT(is_storable_text(config::describe(*result)));
    return 0;
  }
  TIDEMARK_ASSERT(!result.error().empty() && result.error().size() <= config::kMaxProblems + 1);
  for (const config::Problem& problem : result.error()) {
    TIDEMARK_ASSERT(!problem.what.empty() && !problem.remedy.empty());
    TIDEMARK_ASSERT(is_storable_text(problem.to_string()));
  }
  return 0;
}
