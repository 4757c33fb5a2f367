#include "content_hash.hpp"

#include <algorithm>
#include <span>

namespace tidemark::ingest {
namespace {

// What a hash is of, so that `"1"`, `1` and `[1]` differ.
constexpr std::uint64_t kString = 0x8e9d5aab1f6b2c35;
constexpr std::uint64_t kScalar = 0x3c79ac492ba7b653;
constexpr std::uint64_t kArray = 0x1c69b3f74ac4ae35;
constexpr std::uint64_t kObject = 0xd6e8feb86659fd93;

/// Up to here comparing all pairs is faster than sorting.
constexpr std::size_t kPairwiseMax = 16;

}  // namespace

std::uint64_t combine(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xe7037ed1a0b428db);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

bool has_repeats(std::span<std::uint64_t> hashes) {
  if (hashes.size() > kPairwiseMax) {
    std::ranges::sort(hashes);
    return std::ranges::adjacent_find(hashes) != hashes.end();
  }
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (hashes[i] == hashes[j]) return true;
    }
  }
  return false;
}

error_code DataHasher::hash(ondemand::value& value, std::uint64_t& out) {
  return hash_value(value, 1, out);
}

error_code DataHasher::hash_value(ondemand::value& value, std::size_t depth, std::uint64_t& out) {
  const char first = first_character(value);
  if (first == '"') {
    JsonText string;
    TIDEMARK_JSON_TRY(read_text(value, string));
    if (!string.storable) set_fault(DataFault::kText);
    out = combine(kString, hash_text(string.text));
    return simdjson::SUCCESS;
  }
  if (first == '{' || first == '[') {
    if (depth > depth_max_) {  // Left to be skipped: the event is refused, and the stack is kept small.
      set_fault(DataFault::kTooDeep);
      return simdjson::SUCCESS;
    }
    if (first == '{') {
      ondemand::object object;
      TIDEMARK_JSON_TRY(value.get_object().get(object));
      return hash_object(object, depth, out);
    }
    ondemand::array array;
    TIDEMARK_JSON_TRY(value.get_array().get(array));
    return hash_array(array, depth, out);
  }
  const std::string_view token = trimmed(value.raw_json_token());
  if (!is_number(token) && !is_literal(token)) return simdjson::TAPE_ERROR;
  out = combine(kScalar, hash_text(token));
  return simdjson::SUCCESS;
}

error_code DataHasher::hash_object(ondemand::object& object, std::size_t depth, std::uint64_t& out) {
  const std::size_t first_name = names_.size();
  std::uint64_t members = 0;
  for (auto result : object) {
    ondemand::field field;
    TIDEMARK_JSON_TRY(std::move(result).get(field));
    JsonText name;
    TIDEMARK_JSON_TRY(read_name(field, name));
    if (!name.storable) set_fault(DataFault::kText);
    const std::uint64_t name_hash = hash_text(name.text);
    names_.push_back(name_hash);
    std::uint64_t value_hash = 0;
    TIDEMARK_JSON_TRY(hash_value(field.value(), depth + 1, value_hash));
    members += combine(name_hash, value_hash);  // A sum, so that the order of members doesn't count.
  }
  const std::span names = std::span(names_).subspan(first_name);
  if (has_repeats(names)) set_fault(DataFault::kRepeatedName);
  out = combine(kObject + names.size(), members);
  names_.resize(first_name);
  return simdjson::SUCCESS;
}

error_code DataHasher::hash_array(ondemand::array& array, std::size_t depth, std::uint64_t& out) {
  out = kArray;
  for (auto result : array) {
    ondemand::value value;
    TIDEMARK_JSON_TRY(std::move(result).get(value));
    std::uint64_t element = 0;
    TIDEMARK_JSON_TRY(hash_value(value, depth + 1, element));
    out = combine(out, element);
  }
  return simdjson::SUCCESS;
}

}  // namespace tidemark::ingest
