#pragma once

#include <string>
#include <vector>

#include "tidemark/base/file_system.hpp"
#include "tidemark/config/load.hpp"

namespace tidemark::app {

/// Checks what the settings mean, as config::Sources::further_checks: the meters, the form of the database's URL, and
/// that the password file can be read. `file` is the settings' file, for messages. Touches no network.
std::vector<config::Problem> check_settings(const config::Loaded& loaded, const std::string& file, FileSystem& files);

}  // namespace tidemark::app
