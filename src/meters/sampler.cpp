#include "sampler.hpp"

#include <algorithm>

#include "number.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/json_text.hpp"
#include "window.hpp"

namespace tidemark::meters {
namespace {

std::uint32_t add_path(PathTree& paths, const std::string& text) {
  const auto path = parse_json_path(text);
  TIDEMARK_ASSERT(path.has_value());
  return paths.add(*path);
}

bool is_scalar(FoundKind kind) noexcept {
  return kind == FoundKind::kText || kind == FoundKind::kNumber || kind == FoundKind::kBool;
}

std::string_view describe(FoundKind kind) noexcept {
  switch (kind) {
    case FoundKind::kMissing:
      return "is missing";
    case FoundKind::kNull:
      return "is null";
    case FoundKind::kText:
      return "is a string that isn't a number";
    case FoundKind::kNumber:
      return "is a number out of bounds";
    case FoundKind::kBool:
      return "is a boolean";
    case FoundKind::kContainer:
      return "is an object or an array";
    case FoundKind::kBroken:
      return "isn't valid JSON";
  }
  return "";
}

std::string value_problem(const Meter& meter, std::string_view what, std::string_view wanted) {
  std::string text = meter.definition.value_property;
  return text.append(" ").append(what).append("; ").append(wanted);
}

constexpr bool has_nul(std::string_view text) noexcept {
  return text.find('\0') != std::string_view::npos;
}

}  // namespace

MeterSet::MeterSet(std::vector<Definition> definitions) {
  std::ranges::sort(definitions, {}, &Definition::slug);
  for (Definition& definition : definitions) {
    EventMeters& event = by_type_[definition.event_type];
    event.meters.push_back(static_cast<std::uint32_t>(meters_.size()));
    Meter& meter = meters_.emplace_back();
    meter.finest = finest_window(definition.windows);
    if (!definition.value_property.empty()) meter.value_slot = add_path(event.paths, definition.value_property);
    for (const auto& [name, path] : definition.group_by) {
      std::string opening = meter.groups.empty() ? "{" : ",";
      append_json_string(opening, name);
      meter.groups.emplace_back(opening + ":", add_path(event.paths, path));
    }
    meter.definition = std::move(definition);
  }
}

const EventMeters* MeterSet::find(std::string_view event_type) const {
  const auto found = by_type_.find(event_type);
  return found == by_type_.end() ? nullptr : &found->second;
}

const std::vector<Sample>& Sampler::sample(const MeterSet& meters, std::string_view event_type, std::string_view data) {
  const EventMeters* event = meters.find(event_type);
  const std::size_t count = event == nullptr ? 0 : event->meters.size();
  samples_.resize(count);
  if (count == 0) return samples_;
  if (group_texts_.size() < count) group_texts_.resize(count);
  const std::vector<Found>& found = reader_.read(event->paths, data);
  for (std::size_t i = 0; i < count; ++i) {
    Sample& sample = samples_[i];
    sample.meter = event->meters[i];
    sample.problem.clear();
    const Meter& meter = meters.meters()[sample.meter];
    take_value(meter, found, sample);
    take_groups(meter, found, group_texts_[i], sample);
  }
  return samples_;
}

void Sampler::take_value(const Meter& meter, const std::vector<Found>& found, Sample& sample) {
  sample.value = Decimal::from_int(1);
  if (!meter.value_slot) return;
  const Found& answer = found[*meter.value_slot];
  if (meter.definition.aggregation == Aggregation::kUniqueCount) {
    if (!is_scalar(answer.kind)) {
      sample.problem = value_problem(meter, describe(answer.kind), "send a string, a number or a boolean");
    }
    sample.member = answer.text;
    return;
  }
  if (answer.kind != FoundKind::kNumber && answer.kind != FoundKind::kText) {
    sample.problem = value_problem(meter, describe(answer.kind), "send a number");
    return;
  }
  auto number = answer.kind == FoundKind::kNumber ? parse_number(answer.text) : parse_number_text(answer.text);
  if (number) {
    sample.value = *number;
  } else {
    sample.problem = value_problem(meter, describe(answer.kind), number.error().message());
  }
}

void Sampler::take_groups(const Meter& meter, const std::vector<Found>& found, std::string& text, Sample& sample) {
  text.clear();
  for (const auto& [opening, slot] : meter.groups) {
    const Found& answer = found[slot];
    const std::string_view value = is_scalar(answer.kind) ? answer.text : std::string_view();
    if (has_nul(value)) sample.problem = "a groupBy value holds U+0000; leave it out";
    text += opening;
    append_json_string(text, value);
    if (text.size() > kMaxGroupBytes) break;
  }
  text += meter.groups.empty() ? "{}" : "}";
  if (text.size() > kMaxGroupBytes) sample.problem = "the groupBy values are longer than 1024 bytes; shorten them";
  sample.group_values = text;
}

}  // namespace tidemark::meters
