#include "definitions.hpp"

namespace tidemark::app {

Result<std::vector<meters::Definition>> definitions_of(const config::Settings& settings, const std::string& file,
                                                       std::vector<std::string>& problems) {
  std::vector<meters::DefinitionSource> sources;
  for (const config::MeterSettings& meter : settings.meters) {
    meters::DefinitionSource source;
    source.slug = meter.slug;
    source.event_type = meter.event_type;
    source.aggregation = meter.aggregation;
    source.value_property = meter.value_property;
    source.group_by = meter.group_by;
    source.windows = meter.windows;
    source.where = file + ":" + std::to_string(meter.line);
    sources.push_back(std::move(source));
  }
  return meters::make_definitions(sources, problems);
}

}  // namespace tidemark::app
