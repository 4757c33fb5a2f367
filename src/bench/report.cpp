#include "report.hpp"

#include <cstdio>
#include <ostream>

#include "tidemark/base/json_text.hpp"

namespace tidemark::bench {
namespace {

struct Text {
  bool json;
  std::string operator()(const std::string& text) const {
    if (!json) return text;
    std::string quoted;
    append_json_string(quoted, text);
    return quoted;
  }
  std::string operator()(double number) const {
    char text[48];
    std::snprintf(text, sizeof(text), number >= 1000 ? "%.0f" : "%.3f", number);
    return text;
  }
  std::string operator()(std::uint64_t number) const { return std::to_string(number); }
  std::string operator()(bool truth) const { return json ? (truth ? "true" : "false") : (truth ? "yes" : "no"); }
};

}  // namespace

void Report::print(std::ostream& out, bool json) const {
  const Text text{json};
  if (json) out << '{';
  bool first = true;
  for (const auto& [name, value] : fields_) {
    if (json) {
      out << (first ? "" : ",") << '"' << name << "\":" << std::visit(text, value);
    } else {
      out << name << std::string(name.size() < 34 ? 34 - name.size() : 1, ' ') << std::visit(text, value) << '\n';
    }
    first = false;
  }
  out << (json ? "}\n" : "") << std::flush;
}

}  // namespace tidemark::bench
