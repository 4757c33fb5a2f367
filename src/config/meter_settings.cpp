#include "meter_settings.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "suggestion.hpp"
#include "value.hpp"

namespace tidemark::config {
namespace {

constexpr auto kKeys = std::to_array<MeterKey>({
    {"slug", "text, required", "Name of the meter in tables and API."},
    {"eventType", "text, required", "The type of the events that it takes."},
    {"aggregation", "text, required", "COUNT, SUM, MIN, MAX, AVG, LATEST or UNIQUE_COUNT."},
    {"valueProperty", "JSONPath", "Where in an event's data the value stands; not for COUNT."},
    {"groupBy", "map of name to JSONPath", "By what the totals are told apart."},
    {"windows", "list", "Which of TOTAL, HOUR, DAY and MONTH are kept; all if left out."},
    {"name", "text", "For people."},
    {"description", "text", "For people."},
});

/// Reads one meter.
class MeterReader {
 public:
  MeterReader(std::string_view file_name, Problems& problems) : file_name_(file_name), problems_(problems) {}

  MeterSettings read(const YamlNode& node) {
    meter_.line = node.line;
    if (node.map() == nullptr) {
      problem(node.line, "meters", "a meter is a map, and here is " + std::string(node.kind()),
              "write slug: …, eventType: …, aggregation: …");
      return meter_;
    }
    for (const YamlNode::Entry& entry : *node.map()) take(entry);
    for (const std::string_view key : {"slug", "eventType", "aggregation"}) {
      if (!has(*node.map(), key)) {
        problem(node.line, "meters." + std::string(key), "is missing",
                "every meter needs slug, eventType and aggregation");
      }
    }
    return std::move(meter_);
  }

 private:
  static bool has(const YamlNode::Map& map, std::string_view key) {
    for (const YamlNode::Entry& entry : map) {
      if (entry.key == key) return true;
    }
    return false;
  }

  void problem(int line, std::string key, std::string what, std::string remedy) {
    std::string source(file_name_);
    source.append(":").append(std::to_string(line));
    problems_.add({std::move(source), std::move(key), std::move(what), std::move(remedy)});
  }

  void take(const YamlNode::Entry& entry) {
    if (entry.key == "slug") return take_text(entry, meter_.slug);
    if (entry.key == "eventType") return take_text(entry, meter_.event_type);
    if (entry.key == "aggregation") return take_text(entry, meter_.aggregation);
    if (entry.key == "valueProperty") return take_text(entry, meter_.value_property);
    if (entry.key == "name") return take_text(entry, meter_.name);
    if (entry.key == "description") return take_text(entry, meter_.description);
    if (entry.key == "groupBy") return take_group_by(entry);
    if (entry.key == "windows") return take_windows(entry);
    refuse_key(entry);
  }

  void refuse_key(const YamlNode::Entry& entry) {
    std::array<std::string_view, kKeys.size()> names;
    std::ranges::transform(kKeys, names.begin(), &MeterKey::key);
    const std::string_view meant = closest(entry.key, names);
    problem(
        entry.line, "meters." + shown(entry.key), "isn't a key of a meter",
        meant.empty() ? "see docs/configuration.md for those that are" : "did you mean " + std::string(meant) + "?");
  }

  void take_text(const YamlNode::Entry& entry, std::string& out) {
    const std::string* text = entry.value.text();
    if (text == nullptr || text->empty()) {
      return problem(entry.line, "meters." + entry.key,
                     "takes a text, and here is " + std::string(text == nullptr ? entry.value.kind() : "an empty one"),
                     "write a text, or leave the key out");
    }
    out = *text;
  }

  void take_group_by(const YamlNode::Entry& entry) {
    if (entry.value.map() == nullptr) {
      return problem(entry.line, "meters.groupBy", "takes a map, and here is " + std::string(entry.value.kind()),
                     "write NAME: JSONPATH, such as region: $.region");
    }
    for (const YamlNode::Entry& group : *entry.value.map()) {
      const std::string* path = group.value.text();
      if (path == nullptr) {
        problem(group.line, "meters.groupBy." + shown(group.key),
                "takes a JSONPath, and here is " + std::string(group.value.kind()), "write a path such as $.region");
      } else {
        meter_.group_by.emplace(group.key, *path);
      }
    }
  }

  void take_windows(const YamlNode::Entry& entry) {
    if (entry.value.list() == nullptr || entry.value.list()->empty()) {
      return problem(entry.line, "meters.windows", "takes a list that isn't empty",
                     "write [TOTAL, DAY], or leave the key out for all");
    }
    for (const YamlNode& window : *entry.value.list()) {
      if (window.text() == nullptr) {
        problem(window.line, "meters.windows", "takes texts, and here is " + std::string(window.kind()),
                "write [TOTAL, DAY]");
      } else {
        meter_.windows.push_back(*window.text());
      }
    }
  }

  const std::string_view file_name_;
  Problems& problems_;
  MeterSettings meter_;
};

}  // namespace

std::vector<MeterSettings> read_meters(const YamlNode& node, std::string_view file_name, Problems& problems) {
  const std::string source = std::string(file_name) + ":" + std::to_string(node.line);
  std::vector<MeterSettings> meters;
  if (node.list() == nullptr) {
    problems.add({source, "meters", "takes a list, and here is " + std::string(node.kind()),
                  "begin each meter with - slug: NAME"});
    return meters;
  }
  if (node.list()->size() > kMaxMeters) {
    problems.add({source, "meters", "has more than " + std::to_string(kMaxMeters) + " meters", "take some out"});
    return meters;
  }
  for (const YamlNode& node_of_meter : *node.list()) {
    const std::size_t before = problems.count();
    MeterSettings meter = MeterReader(file_name, problems).read(node_of_meter);
    if (problems.count() == before) meters.push_back(std::move(meter));
  }
  return meters;
}

std::span<const MeterKey> meter_keys() {
  return kKeys;
}

}  // namespace tidemark::config
