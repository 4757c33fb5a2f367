#include <algorithm>
#include <charconv>

#include "content_hash.hpp"
#include "identity.hpp"
#include "json.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/ingest/event_parser.hpp"

namespace tidemark::ingest {
namespace {

constexpr std::size_t kIdempotencyKeyMaxBytes = 255;
constexpr std::size_t kRetainedBodyBytes = 64u << 10;

constexpr std::string_view kKeyRule =
    "must be a UUID in its canonical form: 36 characters, lower-case, such as 12345678-1234-5678-1234-567812345678";
constexpr std::string_view kValueRule =
    "must be a whole number from 1 to 9223372036854775807, without fraction or exponent";

/// The canonical form alone: one key must not be written in two ways.
bool read_key(std::string_view text, std::array<std::byte, 16>& key) noexcept {
  if (std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'F'; })) return false;
  const auto parsed = arrivals::uuid_from_text(text);
  if (!parsed || *parsed == std::array<std::byte, 16>{}) return false;
  key = *parsed;
  return true;
}

bool read_value(std::string_view token, std::int64_t& value) noexcept {
  if (token.empty() || token.front() == '0') return false;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  return error == std::errc() && end == token.data() + token.size() && value >= 1;
}

bool is_visible(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

struct IncrementParser::Impl {
  explicit Impl(FingerprintKey key) : identities(key), content_seed(identities.content_seed()) {}

  Result<void> read_body(std::string_view body, arrivals::Increment& increment);
  Result<void> read_member(ondemand::field& member, arrivals::Increment& increment);
  Result<void> read_key_member(ondemand::value& value, arrivals::Increment& increment);
  /// Makes the error about `name`.
  tl::unexpected<Error> refuse(std::string_view name, std::string_view detail);
  tl::unexpected<Error> refuse_json(error_code error);

  ondemand::parser parser;
  Identities identities;
  const std::uint64_t content_seed;
  bool has_key = false;
  bool has_value = false;
  std::string* field = nullptr;
};

IncrementParser::IncrementParser(FingerprintKey key) : impl_(std::make_unique<Impl>(key)) {}

IncrementParser::~IncrementParser() = default;

tl::unexpected<Error> IncrementParser::Impl::refuse(std::string_view name, std::string_view detail) {
  *field = shown_name(name);
  return fail(Errc::kInvalidArgument, std::string(detail));
}

tl::unexpected<Error> IncrementParser::Impl::refuse_json(error_code error) {
  return refuse("body", std::string("is not valid JSON: ").append(simdjson::error_message(error)));
}

Result<void> IncrementParser::Impl::read_key_member(ondemand::value& value, arrivals::Increment& increment) {
  if (first_character(value) != '"') return refuse("key", kKeyRule);
  JsonText text;
  if (const error_code error = read_text(value, text)) return refuse_json(error);
  if (!read_key(text.text, increment.key)) return refuse("key", kKeyRule);
  return {};
}

Result<void> IncrementParser::Impl::read_member(ondemand::field& member, arrivals::Increment& increment) {
  JsonText name;
  if (const error_code error = read_name(member, name)) return refuse_json(error);
  if (name.text == "key") {
    if (std::exchange(has_key, true)) return refuse("key", "is given twice");
    return read_key_member(member.value(), increment);
  }
  if (name.text == "value") {
    if (std::exchange(has_value, true)) return refuse("value", "is given twice");
    if (!read_value(trimmed(member.value().raw_json_token()), increment.value)) return refuse("value", kValueRule);
    return {};
  }
  return refuse(name.text, "isn't known; an increment has `key` and `value`, written so, and nothing else");
}

Result<void> IncrementParser::Impl::read_body(std::string_view body, arrivals::Increment& increment) {
  ondemand::document document;
  if (const error_code error = parser.iterate(body, body.size() + simdjson::SIMDJSON_PADDING).get(document)) {
    return error == simdjson::EMPTY ? refuse("body", "is empty; send {\"key\": UUID, \"value\": N}")
                                    : refuse_json(error);
  }
  ondemand::object object;
  if (const error_code error = document.get_object().get(object)) {
    return error == simdjson::INCORRECT_TYPE ? refuse("body", "must be a JSON object") : refuse_json(error);
  }
  for (auto result : object) {
    ondemand::field member;
    if (const error_code error = std::move(result).get(member)) return refuse_json(error);
    TIDEMARK_TRY(read_member(member, increment));
  }
  if (!at_end(document)) return refuse("body", "goes on after the object; send one increment alone");
  if (!has_key) return refuse("key", "is missing");
  if (!has_value) return refuse("value", "is missing");
  return {};
}

Result<void> IncrementParser::parse(std::string_view body, std::string_view idempotency_key,
                                    arrivals::Submission& submission, std::string& field) {
  Impl& impl = *impl_;
  impl.has_key = false;
  impl.has_value = false;
  impl.field = &field;
  submission.kind = log::RecordKind::kIncrements;
  submission.items.clear();
  submission.encoded.clear();

  arrivals::Increment increment;
  auto result = impl.read_body(body, increment);
  if (impl.parser.capacity() > kRetainedBodyBytes) impl.parser = ondemand::parser();
  if (!result) return result;
  if (idempotency_key.size() > kIdempotencyKeyMaxBytes || !is_visible(idempotency_key)) {
    return impl.refuse("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
  }

  arrivals::Submission::Item& item = submission.items.emplace_back();
  if (!idempotency_key.empty()) {
    const std::uint64_t content =
        combine(hash64(increment.key, impl.content_seed), static_cast<std::uint64_t>(increment.value));
    increment.identity = {impl.identities.increment(submission.tenant, idempotency_key), content};
    item.has_identity = true;
    item.claim.identity = increment.identity->fingerprint;
    item.claim.content = content;
  }
  arrivals::encode_increment(submission.encoded, increment);
  item.end = static_cast<std::uint32_t>(submission.encoded.size());
  return {};
}

}  // namespace tidemark::ingest
