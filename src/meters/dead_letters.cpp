#include "dead_letters.hpp"

#include <map>
#include <utility>

#include "tidemark/base/json_text.hpp"

namespace tidemark::meters {
namespace {

void cut_utf8(std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  text.resize(bytes);
}

void append_member(std::string& json, std::string_view name, std::string_view text) {
  json += ',';
  append_json_string(json, name);
  json += ':';
  append_json_string(json, text);
}

/// The members of a JSON object's text, without its braces.
std::string_view members_of(std::string_view object) {
  const std::size_t begin = object.find('{');
  const std::size_t end = object.rfind('}');
  if (begin == std::string_view::npos || end == std::string_view::npos || end <= begin) return {};
  const std::string_view members = object.substr(begin + 1, end - begin - 1);
  return members.find_first_not_of(" \t\r\n") == std::string_view::npos ? std::string_view() : members;
}

}  // namespace

std::string event_json(const arrivals::Event& event) {
  std::string json = R"({"specversion":"1.0")";
  append_member(json, "id", event.id);
  append_member(json, "source", event.source);
  append_member(json, "type", event.type);
  append_member(json, "subject", event.subject);
  if (event.time) append_member(json, "time", format_rfc3339(*event.time));
  if (const std::string_view members = members_of(event.extensions); !members.empty()) json.append(",").append(members);
  if (!event.data.empty()) json.append(R"(,"data":)").append(event.data);
  json += '}';
  cut_utf8(json, kMaxPayloadBytes);
  return json;
}

std::string increment_json(const arrivals::Increment& increment) {
  return R"({"key":")" + arrivals::uuid_to_text(increment.key) + R"(","value":)" + std::to_string(increment.value) +
         "}";
}

flow::DeadLetter dead_letter(log::Position position, std::string_view tenant, std::string_view reason,
                             std::string detail, std::string payload) {
  flow::DeadLetter letter;
  letter.position = position;
  letter.tenant = tenant;
  letter.reason = reason;
  letter.detail = std::move(detail);
  letter.payload = std::move(payload);
  return letter;
}

void join_letters(std::vector<flow::DeadLetter>& letters) {
  std::map<log::Position, flow::DeadLetter> joined;
  for (flow::DeadLetter& letter : letters) {
    const auto [item, is_first] = joined.try_emplace(letter.position, std::move(letter));
    if (is_first) continue;
    flow::DeadLetter& known = item->second;
    if (letter.reason == kOverflow) known.reason = letter.reason;
    known.detail.append("; ").append(letter.detail);
  }
  letters.clear();
  for (auto& [position, letter] : joined) {
    cut_utf8(letter.detail, kMaxDetailBytes);
    letters.push_back(std::move(letter));
  }
}

}  // namespace tidemark::meters
