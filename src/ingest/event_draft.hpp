#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/arrivals/submission.hpp"
#include "tidemark/ingest/event_parser.hpp"

namespace tidemark::ingest {

/// The members of a CloudEvent that have a meaning here; everything else is an extension.
enum class Attribute : std::uint8_t {
  kId,
  kSource,
  kSpecversion,
  kType,
  kSubject,
  kTime,
  kDatacontenttype,
  kDataschema,
  kData,
  kDataBase64,
  kExtension,
};
inline constexpr std::size_t kTextAttributeCount = 8;  ///< Those up to kDataschema, whose value is text.

Attribute attribute_named(std::string_view name) noexcept;
std::string_view attribute_name(Attribute attribute) noexcept;

/// One event while it is read, whatever form it came in: takes its members one by one, then checks them, fingerprints
/// and encodes. Texts are views that must live until finish(). One thread at a time; begin() keeps the memory.
class EventDraft {
 public:
  EventDraft(EventLimits limits, FingerprintKey key, microseconds max_future_skew);

  void begin();

  /// Notes that a member was given; false, and the event is refused, if it was given before.
  bool take(Attribute attribute, std::string_view name);
  void set_text(Attribute attribute, std::string_view text) { texts_[static_cast<std::size_t>(attribute)] = text; }
  void set_data(std::string_view written, std::uint64_t hash) {
    data_ = written;
    data_hash_ = hash;
  }
  /// Keeps an extension attribute; name and value are JSON texts.
  void add_extension(std::string_view written_name, std::string_view written_value);

  /// Refuses the event unless it is refused already: the first problem is the one that is told.
  void refuse(std::string_view field, std::string_view detail);
  bool refused() const noexcept { return !detail_.empty(); }

  /// Ends the event: appends it to the submission, or refuses it. Returns whether it was appended.
  bool finish(Timestamp now, arrivals::Submission& submission);
  InvalidEvent problem(std::uint32_t index) const { return {index, field_, detail_}; }

  std::uint64_t content_seed() const noexcept { return content_seed_; }

 private:
  std::string_view text(Attribute attribute) const { return texts_[static_cast<std::size_t>(attribute)]; }
  void check_texts();
  void check_time(Timestamp now);
  void keep_text_as_extension(Attribute attribute);
  std::uint64_t content_hash() const;

  const EventLimits limits_;
  const microseconds max_future_skew_;
  Identities identities_;
  const std::uint64_t content_seed_;

  std::uint32_t given_ = 0;  ///< One bit for each Attribute.
  std::array<std::string_view, kTextAttributeCount> texts_;
  std::string_view data_;
  std::uint64_t data_hash_ = 0;
  std::optional<Timestamp> time_;
  std::string extensions_;
  std::vector<std::uint64_t> extension_names_;
  std::string field_;
  std::string detail_;
};

}  // namespace tidemark::ingest
