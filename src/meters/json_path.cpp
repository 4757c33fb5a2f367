#include "json_path.hpp"

#include <charconv>
#include <optional>

namespace tidemark::meters {
namespace {

constexpr std::string_view kAccepted = "; write it as $.a.b, $.a[0] or $['a b']";
/// What would be an operator, or needs quotes, in a name after a point.
constexpr std::string_view kNotInPlainNames = ".[]'\"*?@()$, ";
constexpr std::uint32_t kMaxIndex = 1'000'000;

class PathParser {
 public:
  explicit PathParser(std::string_view text) : rest_(text) {}

  Result<JsonPath> parse() {
    if (!take('$')) return refuse("doesn't begin with $");
    JsonPath path;
    while (!rest_.empty()) {
      if (path.size() == kMaxPathSteps) return refuse("has more than 16 steps");
      const std::optional<PathStep> step = take_step();
      if (!step) return refuse(problem_);
      path.push_back(*step);
    }
    if (path.empty()) return refuse("names the whole of data, which is an object");
    return path;
  }

 private:
  static tl::unexpected<Error> refuse(std::string_view problem) {
    return fail(Errc::kInvalidArgument, std::string(problem).append(kAccepted));
  }

  std::optional<PathStep> stop(std::string_view problem) {
    problem_ = problem;
    return std::nullopt;
  }

  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<PathStep> take_step() {
    if (take('.')) return take_name();
    if (!take('[')) return stop("has something other than . or [ after a step");
    const bool quoted = !rest_.empty() && (rest_.front() == '\'' || rest_.front() == '"');
    std::optional<PathStep> step = quoted ? take_quoted() : take_index();
    if (step && !take(']')) return stop("lacks a closing ]");
    return step;
  }

  std::optional<PathStep> take_name() {
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] != '.' && rest_[size] != '[') {
      const char c = rest_[size];
      if (kNotInPlainNames.find(c) != std::string_view::npos || static_cast<unsigned char>(c) < 0x20) {
        return stop("has an operator, or a name that needs quotes");
      }
      ++size;
    }
    if (size == 0) return stop("has an empty name");
    PathStep step = std::string(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return step;
  }

  std::optional<PathStep> take_quoted() {
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    std::string name;
    while (!rest_.empty() && rest_.front() != quote) {
      if (take('\\') && rest_.empty()) break;
      name += rest_.front();
      rest_.remove_prefix(1);
    }
    if (!take(quote)) return stop("lacks a closing quote");
    return PathStep(std::move(name));
  }

  std::optional<PathStep> take_index() {
    std::uint32_t index = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), index);
    if (error != std::errc() || index > kMaxIndex) return stop("has an index that isn't a number from 0 to 1000000");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return PathStep(index);
  }

  std::string_view rest_;
  std::string_view problem_;
};

}  // namespace

Result<JsonPath> parse_json_path(std::string_view text) {
  if (text.size() > kMaxPathBytes) return fail(Errc::kInvalidArgument, "is longer than 512 bytes; shorten it");
  return PathParser(text).parse();
}

}  // namespace tidemark::meters
