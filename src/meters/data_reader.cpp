#include "data_reader.hpp"

#include <algorithm>
#include <cstring>

#include <simdjson.h>

namespace tidemark::meters {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::size_t kFirstBufferBytes = 4096;

std::string_view trim_end(std::string_view token) noexcept {
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

std::uint32_t PathTree::child(std::uint32_t node, const PathStep& step) {
  const auto next = static_cast<std::uint32_t>(nodes_.size());
  const auto find_or_add = [next](auto& children, const auto& key) {
    const auto found = std::ranges::find(children, key, [](const auto& entry) { return entry.first; });
    if (found != children.end()) return found->second;
    children.emplace_back(key, next);
    return next;
  };
  const std::uint32_t found = std::holds_alternative<std::string>(step)
                                  ? find_or_add(nodes_[node].members, std::get<std::string>(step))
                                  : find_or_add(nodes_[node].elements, std::get<std::uint32_t>(step));
  if (found == next) nodes_.emplace_back();
  return found;
}

std::uint32_t PathTree::add(const JsonPath& path) {
  std::uint32_t node = 0;
  for (const PathStep& step : path) node = child(node, step);
  if (nodes_[node].slot == kNoSlot) nodes_[node].slot = slots_++;
  return nodes_[node].slot;
}

struct DataReader::Impl {
  simdjson::error_code read_document(std::string_view data);
  simdjson::error_code visit(std::uint32_t node, ondemand::value value);
  simdjson::error_code visit_members(const PathTree::Node& node, ondemand::object object);
  simdjson::error_code visit_elements(const PathTree::Node& node, ondemand::array array);
  static void take(Found& answer, ondemand::json_type type, ondemand::value& value);
  void forget(std::uint32_t node);

  ondemand::parser parser;
  std::vector<char> buffer = std::vector<char>(kFirstBufferBytes);  // The data and the padding that the parser reads.
  std::vector<Found> found;
  const PathTree* paths = nullptr;
};

DataReader::DataReader() : impl_(std::make_unique<Impl>()) {}
DataReader::~DataReader() = default;

const std::vector<Found>& DataReader::read(const PathTree& paths, std::string_view data) {
  impl_->paths = &paths;
  impl_->found.assign(paths.slots(), Found{});
  if (paths.slots() == 0 || data.empty()) return impl_->found;
  if (impl_->read_document(data) != simdjson::SUCCESS) impl_->found.assign(paths.slots(), Found{});
  return impl_->found;
}

simdjson::error_code DataReader::Impl::read_document(std::string_view data) {
  if (buffer.size() < data.size() + simdjson::SIMDJSON_PADDING) {
    buffer.resize(2 * data.size() + simdjson::SIMDJSON_PADDING);
  }
  std::memcpy(buffer.data(), data.data(), data.size());
  std::memset(buffer.data() + data.size(), 0, simdjson::SIMDJSON_PADDING);
  ondemand::document document;
  if (const auto error = parser.iterate(buffer.data(), data.size(), buffer.size()).get(document)) return error;
  ondemand::object object;
  if (const auto error = document.get_object().get(object)) return error;
  return visit_members(paths->nodes_.front(), object);
}

simdjson::error_code DataReader::Impl::visit_members(const PathTree::Node& node, ondemand::object object) {
  for (auto entry : object) {
    ondemand::field field;
    if (const auto error = std::move(entry).get(field)) return error;
    std::string_view name;
    if (field.unescaped_key().get(name) != simdjson::SUCCESS) continue;  // Not text, so not what a path names.
    for (const auto& [wanted, child] : node.members) {
      if (wanted != name) continue;
      if (const auto error = visit(child, field.value())) return error;
      break;
    }
  }
  return simdjson::SUCCESS;
}

simdjson::error_code DataReader::Impl::visit_elements(const PathTree::Node& node, ondemand::array array) {
  std::uint32_t index = 0;
  for (auto entry : array) {
    ondemand::value value;
    if (const auto error = std::move(entry).get(value)) return error;
    for (const auto& [wanted, child] : node.elements) {
      if (wanted != index) continue;
      if (const auto error = visit(child, value)) return error;
      break;
    }
    ++index;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code DataReader::Impl::visit(std::uint32_t node_id, ondemand::value value) {
  forget(node_id);
  const PathTree::Node& node = paths->nodes_[node_id];
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return error;
  if (node.slot != PathTree::kNoSlot) take(found[node.slot], type, value);
  if (type == ondemand::json_type::object && !node.members.empty()) {
    ondemand::object object;
    if (const auto error = value.get_object().get(object)) return error;
    return visit_members(node, object);
  }
  if (type == ondemand::json_type::array && !node.elements.empty()) {
    ondemand::array array;
    if (const auto error = value.get_array().get(array)) return error;
    return visit_elements(node, array);
  }
  return simdjson::SUCCESS;
}

/// Reads a scalar. One that is broken in itself doesn't end the walk.
void DataReader::Impl::take(Found& answer, ondemand::json_type type, ondemand::value& value) {
  answer = {FoundKind::kBroken, {}};
  switch (type) {
    case ondemand::json_type::object:
    case ondemand::json_type::array:
      answer.kind = FoundKind::kContainer;
      break;
    case ondemand::json_type::null: {
      bool null = false;  // Every value that begins with n has this type.
      if (value.is_null().get(null) == simdjson::SUCCESS && null) answer.kind = FoundKind::kNull;
      break;
    }
    case ondemand::json_type::string:
      if (value.get_string().get(answer.text) == simdjson::SUCCESS) answer.kind = FoundKind::kText;
      break;
    case ondemand::json_type::number:
      answer = {FoundKind::kNumber, trim_end(value.raw_json_token())};
      break;
    case ondemand::json_type::boolean: {
      bool flag = false;
      if (value.get_bool().get(flag) == simdjson::SUCCESS) answer = {FoundKind::kBool, flag ? "true" : "false"};
      break;
    }
  }
}

/// Drops the answers at and below a node whose name comes a second time.
void DataReader::Impl::forget(std::uint32_t node_id) {
  const PathTree::Node& node = paths->nodes_[node_id];
  if (node.slot != PathTree::kNoSlot) found[node.slot] = {};
  for (const auto& child : node.members) forget(child.second);
  for (const auto& child : node.elements) forget(child.second);
}

}  // namespace tidemark::meters
