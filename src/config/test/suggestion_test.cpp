#include "suggestion.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace tidemark::config {
namespace {

TEST(Suggestion, is_the_nearest_name_or_none) {
  constexpr auto kNames = std::to_array<std::string_view>({"identity_window", "max_event_age", "eventType", "listen"});
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"identity_windw", "identity_window"},
      {"identityWindow", "identity_window"},
      {"IDENTITY-WINDOW", "identity_window"},
      {"event_type", "eventType"},
      {"max_age", ""},
      {"max_event_ag", "max_event_age"},
      {"lisen", "listen"},
      {"port", ""},
      {"", ""},
  };
  for (const auto& [name, meant] : cases) EXPECT_EQ(closest(name, kNames), meant) << name;
}

TEST(Suggestion, a_name_of_a_megabyte_costs_little) {
  constexpr auto kNames = std::to_array<std::string_view>({"listen"});
  EXPECT_EQ(closest(std::string(1 << 20, 'x'), kNames), "");
}

}  // namespace
}  // namespace tidemark::config
