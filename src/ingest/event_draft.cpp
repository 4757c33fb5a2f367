#include "event_draft.hpp"

#include <algorithm>

#include "content_hash.hpp"
#include "tidemark/base/ascii.hpp"
#include "tidemark/base/json_text.hpp"

namespace tidemark::ingest {
namespace {

constexpr std::array<std::string_view, 10> kNames = {"id",   "source",          "specversion", "type", "subject",
                                                     "time", "datacontenttype", "dataschema",  "data", "data_base64"};
constexpr std::array kRequired = {Attribute::kId, Attribute::kSource, Attribute::kSpecversion, Attribute::kType,
                                  Attribute::kSubject};

std::size_t characters(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// True if `value`, with or without parameters, names the media type.
bool is_media_type(std::string_view value, std::string_view type) noexcept {
  return same_ignoring_case(stripped(value.substr(0, value.find(';'))), type);
}

constexpr std::uint32_t bit(Attribute attribute) noexcept {
  return 1u << static_cast<unsigned>(attribute);
}

}  // namespace

Attribute attribute_named(std::string_view name) noexcept {
  const auto found = std::ranges::find(kNames, name);
  return static_cast<Attribute>(found - kNames.begin());
}

std::string_view attribute_name(Attribute attribute) noexcept {
  return kNames[static_cast<std::size_t>(attribute)];
}

EventDraft::EventDraft(EventLimits limits, FingerprintKey key, microseconds max_future_skew)
    : limits_(limits),
      max_future_skew_(max_future_skew),
      identities_(key),
      content_seed_(Identities(key).content_seed()) {}

void EventDraft::begin() {
  given_ = 0;
  texts_.fill({});
  data_ = {};
  data_hash_ = 0;
  time_.reset();
  extensions_.clear();
  extension_names_.clear();
  field_.clear();
  detail_.clear();
}

bool EventDraft::take(Attribute attribute, std::string_view name) {
  if (attribute == Attribute::kExtension) {
    extension_names_.push_back(hash64(as_bytes(name), content_seed_));
    if (extension_names_.size() > limits_.extensions) {
      refuse(name, "is one extension attribute too many; at most " + std::to_string(limits_.extensions) + " are kept");
      return false;
    }
    const auto last = extension_names_.end() - 1;
    if (std::find(extension_names_.begin(), last, *last) != last) {
      refuse(name, "is given twice");
      return false;
    }
    return true;
  }
  if ((given_ & bit(attribute)) != 0) {
    refuse(name, "is given twice");
    return false;
  }
  given_ |= bit(attribute);
  return true;
}

void EventDraft::refuse(std::string_view field, std::string_view detail) {
  if (refused()) return;
  field_ = shown_name(field);
  detail_ = detail;
}

void EventDraft::add_extension(std::string_view written_name, std::string_view written_value) {
  extensions_.push_back(extensions_.empty() ? '{' : ',');
  extensions_.append(written_name);
  extensions_.push_back(':');
  extensions_.append(written_value);
}

void EventDraft::keep_text_as_extension(Attribute attribute) {
  if (text(attribute).empty()) return;
  extensions_.push_back(extensions_.empty() ? '{' : ',');
  append_json_string(extensions_, attribute_name(attribute));
  extensions_.push_back(':');
  append_json_string(extensions_, text(attribute));
}

void EventDraft::check_texts() {
  for (const Attribute attribute : kRequired) {
    if (!text(attribute).empty()) continue;
    refuse(attribute_name(attribute), "is required and must not be empty");
    return;
  }
  if (text(Attribute::kSpecversion) != "1.0") {
    refuse("specversion", "must be \"1.0\"");
    return;
  }
  for (const Attribute attribute : {Attribute::kId, Attribute::kSource, Attribute::kType, Attribute::kDataschema}) {
    if (text(attribute).size() <= limits_.id_bytes) continue;
    refuse(attribute_name(attribute), "is longer than " + std::to_string(limits_.id_bytes) + " bytes");
    return;
  }
  if (const auto subject = text(Attribute::kSubject);
      subject.size() > limits_.text_chars && characters(subject) > limits_.text_chars) {
    refuse("subject", "is longer than " + std::to_string(limits_.text_chars) + " characters");
    return;
  }
  if (const auto type = text(Attribute::kDatacontenttype); !type.empty() && !is_media_type(type, "application/json")) {
    refuse("datacontenttype", "must be application/json, or be left out");
  }
}

void EventDraft::check_time(Timestamp now) {
  const std::string_view written = text(Attribute::kTime);
  if (written.data() == nullptr) return;
  const auto parsed = parse_rfc3339(written);
  if (!parsed) {
    refuse("time", parsed.error().message());
  } else if (*parsed > now + max_future_skew_) {
    refuse("time", "lies more than " + format_duration(max_future_skew_) + " ahead of the server's clock, " +
                       format_rfc3339(now));
  } else {
    time_ = *parsed;
  }
}

std::uint64_t EventDraft::content_hash() const {
  const auto hash_text = [this](Attribute attribute) { return hash64(as_bytes(text(attribute)), content_seed_); };
  std::uint64_t hash = combine(hash_text(Attribute::kType), hash_text(Attribute::kSubject));
  // Whether there is a time goes in by itself, so that no time equals none.
  hash = combine(hash, time_ ? 1 : 0);
  hash = combine(hash, time_ ? static_cast<std::uint64_t>(to_micros(*time_)) : 0);
  return combine(hash, data_hash_);
}

bool EventDraft::finish(Timestamp now, arrivals::Submission& submission) {
  if (!refused()) check_texts();
  if (!refused()) check_time(now);
  if (refused()) return false;
  keep_text_as_extension(Attribute::kDatacontenttype);
  keep_text_as_extension(Attribute::kDataschema);
  if (!extensions_.empty()) extensions_.push_back('}');

  arrivals::Event event;
  event.id = text(Attribute::kId);
  event.source = text(Attribute::kSource);
  event.type = text(Attribute::kType);
  event.subject = text(Attribute::kSubject);
  event.time = time_;
  event.data = data_;
  event.extensions = extensions_;
  event.identity = {identities_.event(submission.tenant, event.source, event.id), content_hash()};

  arrivals::Submission::Item& item = submission.items.emplace_back();
  item.begin = static_cast<std::uint32_t>(submission.encoded.size());
  arrivals::encode_event(submission.encoded, event);
  item.end = static_cast<std::uint32_t>(submission.encoded.size());
  item.claim.identity = event.identity.fingerprint;
  item.claim.content = event.identity.content;
  item.has_identity = true;
  item.has_time = time_.has_value();
  item.time = time_.value_or(Timestamp{});
  return true;
}

}  // namespace tidemark::ingest
