#pragma once

#include "fold_harness.hpp"

namespace tidemark::meters {

/// Writes the same random history into both, folds it in one page and in random pages, and expects of both what the
/// most obvious way of adding up comes to.
void expect_model(unsigned seed, FoldHarness& whole, FoldHarness& paged);

}  // namespace tidemark::meters
