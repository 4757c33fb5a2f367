#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data_reader.hpp"
#include "tidemark/base/decimal.hpp"
#include "tidemark/meters/definition.hpp"

namespace tidemark::meters {

inline constexpr std::size_t kMaxGroupBytes = 1024;

/// A definition made ready for folding.
struct Meter {
  Definition definition;
  WindowSize finest = WindowSize::kTotal;
  std::optional<std::uint32_t> value_slot;                    ///< Nothing for COUNT.
  std::vector<std::pair<std::string, std::uint32_t>> groups;  ///< What opens each member of group_values, and its slot.
};

/// The meters that take events of one type, and the paths that they ask for.
struct EventMeters {
  std::vector<std::uint32_t> meters;
  PathTree paths;
};

/// A set of definitions in force, made ready for folding. Meters are numbered in the order of their slugs' bytes.
/// Immutable. The definitions must have passed make_definitions().
class MeterSet {
 public:
  MeterSet() = default;
  explicit MeterSet(std::vector<Definition> definitions);

  const std::vector<Meter>& meters() const noexcept { return meters_; }
  /// Nothing if no meter takes events of this type.
  const EventMeters* find(std::string_view event_type) const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
  };
  std::vector<Meter> meters_;
  std::unordered_map<std::string, EventMeters, TextHash, std::equal_to<>> by_type_;
};

/// What one meter takes from one event.
struct Sample {
  std::uint32_t meter = 0;
  Decimal value;                  ///< For COUNT and UNIQUE_COUNT 1.
  std::string_view member;        ///< UNIQUE_COUNT: the value as text.
  std::string_view group_values;  ///< JSON text, docs/formats/totals.md.
  std::string problem;            ///< Not empty: the event is invalid for this meter, and why.
};

/// Takes the samples of events, in one walk over the data of each. No allocation per event once warm, but for problems.
/// *Concurrency*: one thread at a time.
class Sampler {
 public:
  /// One sample for each meter that takes events of the type, by meter number. Views live until the next call.
  const std::vector<Sample>& sample(const MeterSet& meters, std::string_view event_type, std::string_view data);

 private:
  void take_value(const Meter& meter, const std::vector<Found>& found, Sample& sample);
  void take_groups(const Meter& meter, const std::vector<Found>& found, std::string& text, Sample& sample);

  DataReader reader_;
  std::vector<Sample> samples_;
  std::vector<std::string> group_texts_;
};

}  // namespace tidemark::meters
