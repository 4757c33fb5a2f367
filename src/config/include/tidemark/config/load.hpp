#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "tidemark/config/settings.hpp"

namespace tidemark::config {

/// A settings file longer than this is refused; read no more than this of one.
inline constexpr std::uint64_t kMaxFileBytes = 1 << 20;
/// So many problems are told; of the rest, their number.
inline constexpr std::size_t kMaxProblems = 50;
inline constexpr std::size_t kMaxMeters = 1000;

struct Loaded;
struct Problem;

/// Where settings come from. Flag over environment over file over default.
struct Sources {
  std::string file_name;                 ///< For messages; unused without file_text.
  std::optional<std::string> file_text;  ///< YAML.
  /// NAME and value. Names without the prefix TIDEMARK_ are passed over, and so are empty values.
  std::vector<std::pair<std::string, std::string>> environment;
  /// What stands on the command line behind the options that others have taken: `--a-b-c VALUE` or `--a-b-c=VALUE`.
  std::vector<std::string> arguments;
  /// Checks what settings mean that others know: its problems are told together with all the rest. It gets what could
  /// be read: a setting that couldn't be is as if it weren't given, and a meter that couldn't be is left out.
  std::function<std::vector<Problem>(const Loaded&)> further_checks = {};
};

/// Something wrong with a source, with the remedy.
struct Problem {
  std::string source;  ///< `FILE:LINE`, a variable or a flag; empty where several settings are at odds.
  std::string key;     ///< The setting; may be empty.
  std::string what;
  std::string remedy;  ///< Empty where `what` says it already.

  /// `source: key: what; remedy`, without what is empty.
  std::string to_string() const;
  bool operator==(const Problem&) const = default;
};

struct Loaded {
  Settings settings;
  /// For each setting that isn't at its default, the source that it comes from.
  std::map<std::string, std::string, std::less<>> origins;
  /// What is odd but harms nothing: variables that begin with TIDEMARK_ and are no setting.
  std::vector<Problem> warnings;
};

/// Reads all sources, checks every setting by itself and against the others. On failure answers everything that is
/// wrong, at most kMaxProblems. Problems never show a value that may hold a secret.
tl::expected<Loaded, std::vector<Problem>> load(const Sources& sources);

/// The settings in force as YAML, each with where it comes from; passwords as ***.
std::string describe(const Loaded& loaded);

/// docs/configuration.md, in full.
std::string reference();

/// A setting as the command line offers it.
struct Flag {
  std::string name;      ///< `--max-body-bytes`
  std::string fallback;  ///< The default as text.
  std::string about;     ///< One line.
};

/// Every setting that has a flag, in the order of the reference: for help texts.
std::vector<Flag> flags();

/// The variables of this process that begin with TIDEMARK_. Call before threads that change the environment start.
std::vector<std::pair<std::string, std::string>> process_environment();

}  // namespace tidemark::config
