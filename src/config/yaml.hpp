#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

#include "value.hpp"

namespace tidemark::config {

/// A piece of a YAML file. Scalars stay text: what they mean is for the reader of each setting.
struct YamlNode {
  struct Null {};
  using List = std::vector<YamlNode>;
  /// In the order of the file; keys are plain texts and don't repeat.
  struct Entry;
  using Map = std::vector<Entry>;

  int line = 0;  ///< From 1.
  std::variant<Null, std::string, List, Map> value;

  const std::string* text() const { return std::get_if<std::string>(&value); }
  const List* list() const { return std::get_if<List>(&value); }
  const Map* map() const { return std::get_if<Map>(&value); }
  bool is_null() const { return std::holds_alternative<Null>(value); }
  /// "a text", "a list", "a map", "nothing".
  std::string_view kind() const;
};

struct YamlNode::Entry {
  std::string key;
  int line = 0;
  YamlNode value;
};

/// Why a file can't be read any further.
struct YamlFault {
  int line = 0;  ///< 0 if it concerns the file as a whole.
  Fault fault;
};

/// Parses one YAML document; an empty one is Null. Refuses what a settings file has no use for and what hostile ones
/// are made of: aliases, tags, keys that aren't text, repeated keys, a second document, nesting deeper than 8, bytes
/// that aren't UTF-8.
tl::expected<YamlNode, YamlFault> parse_yaml(const std::string& text);

}  // namespace tidemark::config
