#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "tidemark/base/bytes.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::log {

/// 128 random bits that name one log, or one start of it. Written as 32 hexadecimal digits.
template <class Tag>
struct RandomId {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const RandomId&) const = default;
  std::string to_string() const { return to_hex(bytes); }
  static Result<RandomId> parse(std::string_view text) {
    RandomId id;
    if (!from_hex(text, id.bytes)) return fail(Errc::kInvalidArgument, "not an id of 32 hexadecimal digits");
    return id;
  }
};
using LogId = RandomId<struct LogIdTag>;
/// Names one start of a server on a log; every start writes a start record with a new one.
using StartId = RandomId<struct StartIdTag>;

/// The number of a record within its partition: 0 for the first that the log ever held, then one more for each.
using Offset = std::uint64_t;

using PartitionId = std::uint32_t;

/// Where an item stands: the record, and its place within the record (the event's index).
struct Position {
  Offset offset = 0;
  std::uint32_t index = 0;
  auto operator<=>(const Position&) const = default;
};

/// What a record is. The log itself knows only kStart and the sticky bit; the rest belongs to the modules above.
/// A kind with the bit kStickyBit is *sticky*: the last record of each sticky kind is in force until the next of that
/// kind, and every segment opens with a copy of those in force, so that trimming never loses them.
enum class RecordKind : std::uint8_t {
  kEvents = 1,
  kIncrements = 2,
  kStart = 0x80,
  kDefinitions = 0x81,
};
inline constexpr std::uint8_t kStickyBit = 0x80;
inline constexpr bool is_sticky(RecordKind kind) {
  return (static_cast<std::uint8_t>(kind) & kStickyBit) != 0;
}

/// One record as a reader sees it. `payload` lives as long as the page that holds it.
struct Record {
  Offset offset = 0;
  RecordKind kind = RecordKind::kEvents;
  Timestamp arrival;
  Bytes payload;
};

/// Records [first, end) that can't be read although they were synced: their group fails its checksum.
struct Damage {
  Offset first = 0;
  Offset end = 0;
  std::string detail;
};

}  // namespace tidemark::log
