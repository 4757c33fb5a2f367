#include "tidemark/sql/statement.hpp"

#include <algorithm>

namespace tidemark::sql {
namespace {

/// Where the quoted text, comment or single character that begins at `at` ends. Doubled quotes read as two quoted texts
/// side by side, which comes to the same.
std::size_t end_of_token(std::string_view statement, std::size_t at) {
  const auto after = [&](std::string_view mark, std::size_t from) {
    const std::size_t found = statement.find(mark, from);
    return found == std::string_view::npos ? statement.size() : found + mark.size();
  };
  const std::string_view rest = statement.substr(at);
  if (rest.starts_with("--")) return after("\n", at);
  if (rest.starts_with("/*")) return after("*/", at + 2);
  const char first = rest.front();
  if (first == '\'' || first == '"' || first == '`') return after(rest.substr(0, 1), at + 1);
  return at + 1;
}

}  // namespace

std::string quote_identifier(std::string_view name, char quote) {
  std::string quoted(1, quote);
  for (const char c : name) {
    quoted += c;
    if (c == quote) quoted += c;
  }
  quoted += quote;
  return quoted;
}

std::string number_placeholders(std::string_view statement) {
  std::string numbered;
  numbered.reserve(statement.size() + 16);
  int number = 0;
  for (std::size_t at = 0; at < statement.size();) {
    const std::size_t end = end_of_token(statement, at);
    if (statement[at] == '?') {
      numbered += '$';
      numbered += std::to_string(++number);
    } else {
      numbered += statement.substr(at, end - at);
    }
    at = end;
  }
  return numbered;
}

std::size_t key_column_count(const UpsertShape& shape) noexcept {
  const auto value = std::find_if(shape.columns.begin(), shape.columns.end(),
                                  [](const UpsertColumn& column) { return column.merge != Merge::kKey; });
  return static_cast<std::size_t>(value - shape.columns.begin());
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!joined.empty()) joined += separator;
    joined += part;
  }
  return joined;
}

}  // namespace tidemark::sql
