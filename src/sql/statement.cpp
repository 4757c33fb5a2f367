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

std::vector<std::string_view> split_at_placeholders(std::string_view statement) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < statement.size(); at = end_of_token(statement, at)) {
    if (statement[at] != '?') continue;
    pieces.push_back(statement.substr(begin, at - begin));
    begin = at + 1;
  }
  pieces.push_back(statement.substr(begin));
  return pieces;
}

std::string number_placeholders(std::string_view statement) {
  const std::vector<std::string_view> pieces = split_at_placeholders(statement);
  std::string numbered(pieces.front());
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    numbered.append("$").append(std::to_string(i)).append(pieces[i]);
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
