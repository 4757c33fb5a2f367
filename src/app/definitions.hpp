#pragma once

#include <string>
#include <vector>

#include "tidemark/config/settings.hpp"
#include "tidemark/meters/definition.hpp"

namespace tidemark::app {

/// Checks the meters of the settings. On failure `problems` names each fault with its place in `file`.
Result<std::vector<meters::Definition>> definitions_of(const config::Settings& settings, const std::string& file,
                                                       std::vector<std::string>& problems);

}  // namespace tidemark::app
