#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::meters {

enum class Aggregation : std::uint8_t { kCount, kSum, kMin, kMax, kAvg, kLatest, kUniqueCount };
enum class WindowSize : std::uint8_t { kTotal, kHour, kDay, kMonth };

std::string_view aggregation_name(Aggregation aggregation) noexcept;
std::string_view window_size_name(WindowSize size) noexcept;

/// The start, UTC, of the window of `size` that holds `t`; 1970-01-01 for kTotal.
Timestamp window_start(WindowSize size, Timestamp t) noexcept;

/// A meter: which events it takes, what it takes from them, and what it keeps.
struct Definition {
  std::string slug;
  std::string event_type;
  Aggregation aggregation = Aggregation::kCount;
  std::string value_property;                   ///< JSONPath into data; empty for COUNT.
  std::map<std::string, std::string> group_by;  ///< Name to JSONPath, sorted by name.
  std::vector<WindowSize> windows;              ///< Sorted, distinct, not empty.
};

/// As written in a configuration file, before any check.
struct DefinitionSource {
  std::string slug;
  std::string event_type;
  std::string aggregation;
  std::string value_property;
  std::map<std::string, std::string> group_by;
  std::vector<std::string> windows;  ///< Empty: TOTAL, HOUR, DAY and MONTH.
  std::string where;                 ///< `FILE:LINE`, for messages.
};

/// Checks all sources together. On failure `problems` names each fault with its place and remedy.
Result<std::vector<Definition>> make_definitions(const std::vector<DefinitionSource>& sources,
                                                 std::vector<std::string>& problems);

/// Tells each change that would make the rows of a meter wrong, with the slug: rows stay when a definition changes, so
/// a slug keeps eventType, aggregation and valueProperty, and gets no further windows. All else may change: groupBy
/// splits the rows from there on, and a window that is left out isn't counted on.
std::vector<std::string> refused_changes(const std::vector<Definition>& in_force,
                                         const std::vector<Definition>& wanted);

/// The canonical JSON of a set of definitions, as it is put into the log (kind kDefinitions), and back.
std::string encode_definitions(const std::vector<Definition>& definitions);
Result<std::vector<Definition>> decode_definitions(std::string_view json);

}  // namespace tidemark::meters
