#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tidemark/base/hash.hpp"
#include "tidemark/base/time.hpp"
#include "tidemark/keyset/keyset.hpp"
#include "tidemark/log/types.hpp"

/// The payloads of the log's records of kind kEvents and kIncrements. Format: docs/formats/records.md.
namespace tidemark::arrivals {

/// What remembers an item: absent for increments without an Idempotency-Key.
struct Identity {
  Fingerprint fingerprint;
  std::uint64_t content = 0;
};

/// One usage event as it is stored. Texts are unescaped UTF-8 without U+0000, except `data` and `extensions`, which
/// are JSON texts of an object, as sent, or empty when absent.
struct Event {
  Identity identity;
  std::optional<Timestamp> time;  ///< As sent; when absent the event happened when it arrived.
  std::string_view id;
  std::string_view source;
  std::string_view type;
  std::string_view subject;
  std::string_view data;
  std::string_view extensions;  ///< datacontenttype, dataschema and extension attributes, as one JSON object.
};

/// One counter increment.
struct Increment {
  std::array<std::byte, 16> key{};
  std::int64_t value = 0;
  std::optional<Identity> identity;
};

/// Appends one encoded item. Items are independent of each other, so that a batch can be stored in part.
void encode_event(std::string& out, const Event& event);
void encode_increment(std::string& out, const Increment& increment);

/// Appends the head that stands before the items of a record.
void encode_record_head(std::string& out, std::string_view tenant, std::uint32_t items);

/// Reads a record's items in order. Views live as long as the payload. A payload that breaks the format ends the
/// reading with ok() false: it passed its checksum, so that is a defect or a newer version.
class RecordReader {
 public:
  RecordReader(log::RecordKind kind, Bytes payload);
  std::string_view tenant() const noexcept { return tenant_; }
  std::uint32_t item_count() const noexcept { return count_; }
  /// Reads the next item; false at the end or on a broken payload. Call the one that fits the record's kind.
  bool next(Event& event);
  bool next(Increment& increment);
  /// Skips `items` items without decoding them; false if there are fewer.
  bool skip(std::uint32_t items);
  bool ok() const noexcept { return reader_.ok(); }

 private:
  ByteReader reader_;
  log::RecordKind kind_;
  std::string_view tenant_;
  std::uint32_t count_ = 0;
  std::uint32_t read_ = 0;
};

/// Canonical lower-case text of a UUID (36 characters), and back; the parser takes that form alone, either case.
std::string uuid_to_text(const std::array<std::byte, 16>& uuid);
std::optional<std::array<std::byte, 16>> uuid_from_text(std::string_view text) noexcept;

}  // namespace tidemark::arrivals
