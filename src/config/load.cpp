#include "tidemark/config/load.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "meter_settings.hpp"
#include "problems.hpp"
#include "setting_table.hpp"
#include "suggestion.hpp"
#include "tidemark/base/assert.hpp"
#include "value.hpp"
#include "yaml.hpp"

namespace tidemark::config {
namespace {

constexpr std::string_view kPrefix = "TIDEMARK_";
constexpr std::string_view kMeters = "meters";
// Variables of the client commands and of test builds.
constexpr auto kOtherVariables =
    std::to_array<std::string_view>({"TIDEMARK_SERVER", "TIDEMARK_TOKEN", "TIDEMARK_CRASH_AT"});

std::string remedy_for(std::string_view meant, std::string_view otherwise) {
  return meant.empty() ? std::string(otherwise) : "did you mean " + std::string(meant) + "?";
}

/// Applies the sources from the weakest to the strongest, so that the last word is the one that holds.
class Loader {
 public:
  tl::expected<Loaded, std::vector<Problem>> load(const Sources& sources) {
    for (const Setting& setting : setting_table()) {
      TIDEMARK_ASSERT(assign(setting, setting.fallback, loaded_.settings));
    }
    if (sources.file_text) take_file(sources.file_name, *sources.file_text);
    for (const auto& [name, value] : sources.environment) take_variable(name, value);
    take_arguments(sources.arguments);
    check_windows();
    if (sources.further_checks) {
      for (Problem& problem : sources.further_checks(loaded_)) problems_.add(std::move(problem));
    }
    if (!problems_.none()) return tl::unexpected(problems_.take());
    return std::move(loaded_);
  }

 private:
  void set(const Setting& setting, std::string_view text, const std::string& source) {
    if (const auto assigned = assign(setting, text, loaded_.settings); !assigned) {
      problems_.add({source, std::string(setting.key), assigned.error().what, assigned.error().remedy});
      faulty_.insert(setting.key);
    }
    loaded_.origins[std::string(setting.key)] = source;
  }

  void take_file(const std::string& name, const std::string& text) {
    if (text.size() > kMaxFileBytes) {
      return problems_.add({name, "", "is larger than " + format_size(kMaxFileBytes),
                            "a settings file is a few lines; is this the right one?"});
    }
    const auto root = parse_yaml(text);
    if (!root) {
      const auto& [line, fault] = root.error();
      const std::string source = line == 0 ? name : name + ":" + std::to_string(line);
      return problems_.add({source, "", "holds " + fault.what, fault.remedy});
    }
    if (root->is_null()) return;
    if (root->map() == nullptr) {
      return problems_.add({name + ":" + std::to_string(root->line), "",
                            "holds " + std::string(root->kind()) + " where settings are expected",
                            "write one KEY: VALUE a line"});
    }
    for (const YamlNode::Entry& entry : *root->map()) take_entry(name, entry);
  }

  void take_entry(const std::string& file_name, const YamlNode::Entry& entry) {
    const std::string source = file_name + ":" + std::to_string(entry.line);
    if (entry.key == kMeters) {
      loaded_.settings.meters = read_meters(entry.value, file_name, problems_);
      loaded_.origins[std::string(kMeters)] = source;
      return;
    }
    const Setting* setting = find_setting(entry.key);
    if (setting == nullptr) {
      std::vector<std::string_view> keys{kMeters};
      for (const Setting& known : setting_table()) keys.push_back(known.key);
      return problems_.add({source, shown(entry.key), "isn't a setting",
                            remedy_for(closest(entry.key, keys), "see docs/configuration.md for those that are")});
    }
    if (entry.value.text() == nullptr) {
      faulty_.insert(setting->key);
      return problems_.add({source, std::string(setting->key),
                            "takes a single value, and here is " + std::string(entry.value.kind()),
                            "allowed is " + range_of(*setting)});
    }
    set(*setting, *entry.value.text(), source);
  }

  void take_variable(const std::string& name, const std::string& value) {
    if (!name.starts_with(kPrefix) || value.empty() ||
        std::ranges::find(kOtherVariables, name) != kOtherVariables.end()) {
      return;
    }
    std::vector<std::string> variables;
    for (const Setting& setting : setting_table()) {
      variables.push_back(variable_of(setting.key));
      if (variables.back() == name) return set(setting, value, name);
    }
    const std::vector<std::string_view> names(variables.begin(), variables.end());
    const std::string_view meant = closest(name, names);
    loaded_.warnings.push_back({shown(name), "", "isn't a setting and is passed over",
                                remedy_for(meant, "unset it if it was meant for Tidemark")});
  }

  void take_arguments(const std::vector<std::string>& arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      const std::size_t equals = argument.find('=');
      const std::string flag = argument.substr(0, equals);
      if (!flag.starts_with("--")) {
        problems_.add({shown(flag), "", "isn't expected here", "write settings as --NAME VALUE"});
        continue;
      }
      const Setting* setting = find_flag(flag);
      const bool value_follows =
          equals == std::string::npos && i + 1 < arguments.size() && !arguments[i + 1].starts_with("--");
      if (setting == nullptr) {
        refuse_flag(flag);
      } else if (equals == std::string::npos && !value_follows) {
        problems_.add({flag, std::string(setting->key), "has no value",
                       "write " + flag + " VALUE; allowed is " + range_of(*setting)});
      } else if (!flags_.insert(setting->key).second) {
        problems_.add({flag, std::string(setting->key), "is given twice", "keep one of the two"});
      } else if (std::holds_alternative<SecretType>(setting->type)) {
        problems_.add({flag, std::string(setting->key),
                       "isn't taken as a flag: everybody on this machine can see flags",
                       "set the variable " + variable_of(setting->key)});
      } else {
        set(*setting, value_follows ? arguments[i + 1] : argument.substr(equals + 1), flag);
      }
      if (value_follows) ++i;
    }
  }

  static const Setting* find_flag(std::string_view flag) {
    for (const Setting& setting : setting_table()) {
      if (flag_of(setting.key) == flag) return &setting;
    }
    return nullptr;
  }

  void refuse_flag(const std::string& flag) {
    std::vector<std::string> flags;
    for (const Setting& setting : setting_table()) flags.push_back(flag_of(setting.key));
    const std::vector<std::string_view> names(flags.begin(), flags.end());
    const bool is_list = flag == flag_of(kMeters);
    problems_.add({shown(flag), "", "isn't a flag",
                   is_list ? "lists stand only in the file"
                           : remedy_for(closest(flag, names), "see tidemark serve --help for those that are")});
  }

  /// A claim must outlive every event that may still come with its identity.
  void check_windows() {
    const Settings& s = loaded_.settings;
    const std::vector<std::string_view> keys = {"identity_window", "max_event_age", "max_future_skew"};
    const bool readable = std::ranges::none_of(keys, [this](std::string_view key) { return faulty_.contains(key); });
    const microseconds least = s.max_event_age + s.max_future_skew;
    if (!readable || s.identity_window >= least) return;
    problems_.add({origins_of(keys), "identity_window",
                   format_duration(s.identity_window) + " is shorter than max_event_age (" +
                       format_duration(s.max_event_age) + ") + max_future_skew (" + format_duration(s.max_future_skew) +
                       "), so a late repeat would be counted twice",
                   "set identity_window to " + format_duration(least) + " or more, or lower the other two"});
  }

  /// The sources of the settings among `keys` that aren't at their defaults.
  std::string origins_of(const std::vector<std::string_view>& keys) const {
    std::string out;
    for (const std::string_view key : keys) {
      const auto origin = loaded_.origins.find(key);
      if (origin != loaded_.origins.end()) out.append(out.empty() ? "" : ", ").append(origin->second);
    }
    return out;
  }

  Loaded loaded_;
  Problems problems_;
  std::set<std::string_view> faulty_;  // settings whose value couldn't be read
  std::set<std::string_view> flags_;   // settings given by flag
};

/// A YAML scalar for `text`.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

}  // namespace

std::string Settings::database_url() const {
  return database.empty() ? "sqlite:" + data + "/tidemark.db" : database;
}

std::string Problem::to_string() const {
  std::string out;
  if (!source.empty()) out += source + ": ";
  if (!key.empty()) out += key + ": ";
  return out + what + (remedy.empty() ? "" : "; " + remedy);
}

tl::expected<Loaded, std::vector<Problem>> load(const Sources& sources) {
  return Loader().load(sources);
}

std::string describe(const Loaded& loaded) {
  const auto origin_of = [&loaded](std::string_view key) {
    const auto origin = loaded.origins.find(key);
    return origin == loaded.origins.end() ? std::string("default") : origin->second;
  };
  std::string out;
  for (const Setting& setting : setting_table()) {
    out.append(setting.key).append(": ").append(quoted(written(setting, loaded.settings)));
    out.append("  # ").append(origin_of(setting.key)).append("\n");
  }
  out.append("# ").append(std::to_string(loaded.settings.meters.size())).append(" meters\n");
  for (const MeterSettings& meter : loaded.settings.meters) {
    out.append("#   ").append(shown(meter.slug)).append(" (line ").append(std::to_string(meter.line)).append(")\n");
  }
  return out;
}

std::vector<Flag> flags() {
  std::vector<Flag> all;
  for (const Setting& setting : setting_table()) {
    if (std::holds_alternative<SecretType>(setting.type)) continue;
    all.push_back({flag_of(setting.key), std::string(setting.fallback), std::string(setting.about)});
  }
  return all;
}

std::vector<std::pair<std::string, std::string>> process_environment() {
  std::vector<std::pair<std::string, std::string>> found;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (text.starts_with(kPrefix) && equals != std::string_view::npos) {
      found.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return found;
}

}  // namespace tidemark::config
