#include <gtest/gtest.h>

#include "model.hpp"

namespace tidemark::meters {
namespace {

TEST(TotalsModel, random_pages_and_one_page_come_to_what_the_model_adds_up) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    FoldHarness whole;
    FoldHarness paged;
    expect_model(seed, whole, paged);
  }
}

}  // namespace
}  // namespace tidemark::meters
