#include "tidemark/meters/definition.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <nlohmann/json.hpp>

#include "json_path.hpp"
#include "tidemark/base/bytes.hpp"
#include "window.hpp"

namespace tidemark::meters {
namespace {

constexpr std::array<std::string_view, 7> kAggregationNames{"COUNT", "SUM",    "MIN",         "MAX",
                                                            "AVG",   "LATEST", "UNIQUE_COUNT"};
constexpr std::size_t kMaxMeters = 1000;
constexpr std::size_t kMaxSlugBytes = 64;
constexpr std::size_t kMaxTypeBytes = 1024;
constexpr std::size_t kMaxGroupNames = 32;
constexpr std::size_t kMaxGroupNameBytes = 64;
constexpr int kFormatVersion = 1;

std::optional<Aggregation> aggregation_from_name(std::string_view name) noexcept {
  const auto found = std::ranges::find(kAggregationNames, name);
  if (found == kAggregationNames.end()) return std::nullopt;
  return static_cast<Aggregation>(found - kAggregationNames.begin());
}

/// Words of lower-case letters and digits, joined by single underscores.
bool is_slug(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxSlugBytes || text.front() == '_' || text.back() == '_') return false;
  if (text.find("__") != std::string_view::npos) return false;
  return std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_group_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxGroupNameBytes || !is_letter(text.front())) return false;
  return std::ranges::all_of(text, [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

/// Checks one source and collects what is wrong with it.
class SourceChecker {
 public:
  SourceChecker(const DefinitionSource& source, std::vector<std::string>& problems)
      : source_(source), problems_(problems) {}

  Definition check() {
    check_slug();
    check_event_type();
    check_aggregation();
    check_group_by();
    check_windows();
    return std::move(definition_);
  }

 private:
  void problem(std::string_view field, std::string_view text) {
    std::string line = source_.where;
    if (!line.empty()) line += ": ";
    if (!source_.slug.empty()) line.append("meter ").append(source_.slug).append(": ");
    problems_.push_back(line.append(field).append(" ").append(text));
  }

  void check_slug() {
    if (source_.slug.empty()) {
      problem("slug", "is missing; name the meter, for example api_calls");
    } else if (!is_slug(source_.slug)) {
      problem("slug", "must be 1 to 64 lower-case letters and digits, words joined by single underscores");
    }
    definition_.slug = source_.slug;
  }

  void check_event_type() {
    if (source_.event_type.empty()) {
      problem("eventType", "is missing; give the type of the events that the meter takes");
    } else if (source_.event_type.size() > kMaxTypeBytes || !is_storable_text(source_.event_type)) {
      problem("eventType", "must be at most 1024 bytes of UTF-8 without U+0000");
    }
    definition_.event_type = source_.event_type;
  }

  void check_aggregation() {
    const auto aggregation = aggregation_from_name(source_.aggregation);
    if (!aggregation) {
      problem("aggregation", "must be one of COUNT, SUM, MIN, MAX, AVG, LATEST, UNIQUE_COUNT");
      return;
    }
    definition_.aggregation = *aggregation;
    if (*aggregation == Aggregation::kCount) return;  // Takes no value: the property is ignored.
    if (source_.value_property.empty()) {
      problem("valueProperty", "is missing; every aggregation but COUNT needs one, for example $.tokens");
    } else {
      check_path("valueProperty", source_.value_property);
    }
    definition_.value_property = source_.value_property;
  }

  void check_path(const std::string& field, const std::string& path) {
    if (!is_storable_text(path)) {
      problem(field, "must be UTF-8 without U+0000");
    } else if (const auto parsed = parse_json_path(path); !parsed) {
      problem(field, parsed.error().message());
    }
  }

  void check_group_by() {
    if (source_.group_by.size() > kMaxGroupNames) problem("groupBy", "has more than 32 names; keep those you query by");
    for (const auto& [name, path] : source_.group_by) {
      const std::string field = "groupBy." + name;
      if (!is_group_name(name)) {
        problem(field, "must be named by 1 to 64 letters, digits and underscores, not beginning with a digit");
      } else if (name == "subject") {
        problem(field, "is a reserved name: every total has its subject; leave it out");
      }
      check_path(field, path);
    }
    definition_.group_by = source_.group_by;
  }

  void check_windows() {
    std::vector<WindowSize>& windows = definition_.windows;
    for (const std::string& name : source_.windows) {
      if (const auto size = window_size_from_name(name)) {
        windows.push_back(*size);
      } else {
        problem("windows", "must be from TOTAL, HOUR, DAY, MONTH; unknown: " + name);
      }
    }
    if (source_.windows.empty()) {
      windows = {WindowSize::kTotal, WindowSize::kHour, WindowSize::kDay, WindowSize::kMonth};
    }
    std::ranges::sort(windows);
    if (std::ranges::adjacent_find(windows) != windows.end()) problem("windows", "names a size twice");
  }

  const DefinitionSource& source_;
  std::vector<std::string>& problems_;
  Definition definition_;
};

nlohmann::ordered_json to_json(const Definition& definition) {
  nlohmann::ordered_json json;
  json["slug"] = definition.slug;
  json["eventType"] = definition.event_type;
  json["aggregation"] = aggregation_name(definition.aggregation);
  if (!definition.value_property.empty()) json["valueProperty"] = definition.value_property;
  if (!definition.group_by.empty()) {
    for (const auto& [name, path] : definition.group_by) json["groupBy"][name] = path;
  }
  for (const WindowSize size : definition.windows) json["windows"].push_back(window_size_name(size));
  return json;
}

/// Reads what to_json writes; what has another form stays empty or unknown, and make_definitions refuses it.
DefinitionSource from_json(const nlohmann::json& json) {
  DefinitionSource source;
  source.where = "definitions in the log";
  const auto text = [&json](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  source.slug = text("slug");
  source.event_type = text("eventType");
  source.aggregation = text("aggregation");
  source.value_property = text("valueProperty");
  if (const auto groups = json.find("groupBy"); groups != json.end() && groups->is_object()) {
    for (const auto& [name, path] : groups->items()) {
      source.group_by[name] = path.is_string() ? path.get<std::string>() : std::string();
    }
  }
  if (const auto windows = json.find("windows"); windows != json.end() && windows->is_array()) {
    for (const auto& name : *windows) source.windows.push_back(name.is_string() ? name.get<std::string>() : "");
  }
  return source;
}

}  // namespace

std::string_view aggregation_name(Aggregation aggregation) noexcept {
  return kAggregationNames[static_cast<std::size_t>(aggregation)];
}

Result<std::vector<Definition>> make_definitions(const std::vector<DefinitionSource>& sources,
                                                 std::vector<std::string>& problems) {
  const std::size_t problems_before = problems.size();
  if (sources.size() > kMaxMeters) {
    problems.push_back("meters: more than 1000 meters; remove those that nobody reads");
  }
  std::map<std::string, std::string> places;  // Where each slug was first used.
  std::vector<Definition> definitions;
  for (const DefinitionSource& source : sources) {
    definitions.push_back(SourceChecker(source, problems).check());
    const auto [first, is_new] = places.try_emplace(source.slug, source.where);
    if (!is_new && !source.slug.empty()) {
      problems.push_back(source.where + ": meter " + source.slug + ": slug is used twice; rename one; first at " +
                         first->second);
    }
  }
  if (problems.size() > problems_before) {
    return fail(Errc::kInvalidArgument, "meter definitions: " + problems[problems_before] +
                                            (problems.size() - problems_before > 1 ? " (and more)" : ""));
  }
  std::ranges::sort(definitions, {}, &Definition::slug);
  return definitions;
}

std::vector<std::string> refused_changes(const std::vector<Definition>& in_force,
                                         const std::vector<Definition>& wanted) {
  std::vector<std::string> refused;
  for (const Definition& now : wanted) {
    const auto before = std::ranges::find(in_force, now.slug, &Definition::slug);
    if (before == in_force.end()) continue;
    const auto check = [&](std::string_view field, std::string_view was, std::string_view is) {
      if (was == is) return;
      const auto shown = [](std::string_view text) { return text.empty() ? "nothing" : std::string(text); };
      refused.push_back("meter " + now.slug + ": " + std::string(field) + " was " + shown(was) + " and is " +
                        shown(is));
    };
    check("eventType", before->event_type, now.event_type);
    check("aggregation", aggregation_name(before->aggregation), aggregation_name(now.aggregation));
    check("valueProperty", before->value_property, now.value_property);
    for (const WindowSize size : now.windows) {
      if (std::ranges::find(before->windows, size) != before->windows.end()) continue;
      refused.push_back("meter " + now.slug + ": windows didn't have " + std::string(window_size_name(size)));
    }
  }
  return refused;
}

std::string encode_definitions(const std::vector<Definition>& definitions) {
  std::vector<Definition> sorted = definitions;
  std::ranges::sort(sorted, {}, &Definition::slug);
  nlohmann::ordered_json json;
  json["version"] = kFormatVersion;
  json["meters"] = nlohmann::ordered_json::array();
  for (const Definition& definition : sorted) json["meters"].push_back(to_json(definition));
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::vector<Definition>> decode_definitions(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return fail(Errc::kCorrupt, "meter definitions in the log aren't a JSON object");
  const auto version = json.find("version");
  if (version == json.end() || *version != kFormatVersion) {
    return fail(Errc::kUnsupported,
                "meter definitions in the log have a form that this version doesn't know; run the version that wrote "
                "them, or a newer one");
  }
  const auto meters = json.find("meters");
  if (meters == json.end() || !meters->is_array()) {
    return fail(Errc::kCorrupt, "meter definitions in the log lack the array `meters`");
  }
  std::vector<DefinitionSource> sources;
  for (const auto& meter : *meters) {
    if (!meter.is_object()) return fail(Errc::kCorrupt, "a meter definition in the log isn't a JSON object");
    sources.push_back(from_json(meter));
  }
  std::vector<std::string> problems;
  auto definitions = make_definitions(sources, problems);
  if (!definitions) return fail(Errc::kCorrupt, definitions.error().message());
  return definitions;
}

}  // namespace tidemark::meters
