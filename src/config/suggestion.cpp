#include "suggestion.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tidemark/base/ascii.hpp"

namespace tidemark::config {
namespace {

constexpr std::size_t kLongestName = 64;  // No setting is longer; distances cost the product of the lengths.

std::string letters_of(std::string_view name) {
  std::string letters;
  for (const char c : name.substr(0, kLongestName)) {
    if (c == '-' || c == '_' || c == '.') continue;
    letters.push_back(lower_ascii(c));
  }
  return letters;
}

/// How many letters must be put in, taken out or changed to make `b` of `a` (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view closest(std::string_view name, std::span<const std::string_view> candidates) {
  const std::string wanted = letters_of(name);
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t this_distance = distance(wanted, letters_of(candidate));
    if (this_distance < best_distance) {
      best = candidate;
      best_distance = this_distance;
    }
  }
  return best;
}

}  // namespace tidemark::config
