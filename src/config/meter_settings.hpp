#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "problems.hpp"
#include "yaml.hpp"

namespace tidemark::config {

/// Reads the list `meters` of the file `file_name`. Checks its form and its keys, and leaves out a meter whose form is
/// wrong; what the texts mean is for the module `meters`.
std::vector<MeterSettings> read_meters(const YamlNode& node, std::string_view file_name, Problems& problems);

/// The keys of a meter with what they are, for the reference.
struct MeterKey {
  std::string_view key;
  std::string_view form;
  std::string_view about;
};
std::span<const MeterKey> meter_keys();

}  // namespace tidemark::config
