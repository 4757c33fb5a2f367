#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tidemark::bench {

/// What was measured, in the order in which it is told. Names are snake_case and end in their unit.
class Report {
 public:
  using Value = std::variant<std::string, double, std::uint64_t, bool>;
  void add(std::string name, Value value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void print(std::ostream& out, bool json) const;

 private:
  std::vector<std::pair<std::string, Value>> fields_;
};

}  // namespace tidemark::bench
