#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "sampler.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/bytes.hpp"

namespace tidemark::meters {
namespace {

MeterSet make_meters() {
  std::vector<DefinitionSource> sources;
  const auto add = [&sources](const char* slug, const char* aggregation, const char* property) -> DefinitionSource& {
    DefinitionSource source;
    source.slug = slug;
    source.event_type = "use";
    source.aggregation = aggregation;
    source.value_property = property;
    return sources.emplace_back(std::move(source));
  };
  add("count", "COUNT", "");
  add("sum", "SUM", "$.n");
  add("nested", "AVG", "$.a.b[1]['c d']");
  add("unique", "UNIQUE_COUNT", "$.a");
  add("grouped", "MAX", "$.n").group_by = {{"g", "$.g"}, {"h", "$.a.b[0]"}};
  std::vector<std::string> problems;
  auto definitions = make_definitions(sources, problems);
  TIDEMARK_ASSERT(definitions.has_value());
  return MeterSet(std::move(*definitions));
}

/// Every meter answers, whatever the data: with a value that tables hold, or with a problem.
void check(std::string_view data) {
  static const MeterSet meters = make_meters();
  static Sampler sampler;
  const std::vector<Sample>& samples = sampler.sample(meters, "use", data);
  TIDEMARK_ASSERT(samples.size() == meters.meters().size());
  for (const Sample& sample : samples) {
    if (!sample.problem.empty()) continue;
    TIDEMARK_ASSERT(sample.group_values.size() <= kMaxGroupBytes && is_storable_text(sample.group_values));
    TIDEMARK_ASSERT(*Decimal::parse_value(sample.value.to_string()) == sample.value);
  }
}

}  // namespace
}  // namespace tidemark::meters

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
  // A copy of exactly this size, so that the sanitizer sees a read past the end of the data.
  const auto copy = std::make_unique<char[]>(size);
  std::copy(bytes, bytes + size, copy.get());
  tidemark::meters::check({copy.get(), size});
  return 0;
}
