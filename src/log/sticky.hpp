#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tidemark/base/bytes.hpp"
#include "tidemark/log/types.hpp"

namespace tidemark::log {

/// The sticky records in force at some place of the log: the last of each kind, with its offset.
class Sticky {
 public:
  void set(RecordKind kind, Offset offset, Bytes payload);

  const std::map<RecordKind, std::string>& payloads() const noexcept { return payloads_; }
  const std::map<RecordKind, Offset>& offsets() const noexcept { return offsets_; }
  /// One past the last of them; 0 if there is none. Two places with the same end have the same records in force.
  Offset end() const noexcept;

  /// The block that segment heads and echo frames hold.
  void append_to(std::string& out) const;
  /// Bytes that append_to adds, at most.
  std::size_t encoded_bytes() const noexcept;
  /// Reads such a block; nothing if it breaks its form.
  static std::optional<Sticky> parse(ByteReader& in);

  bool operator==(const Sticky&) const = default;

 private:
  std::map<RecordKind, std::string> payloads_;
  std::map<RecordKind, Offset> offsets_;  // The same kinds.
};

/// Shared by all places where the same records are in force.
using StickyPtr = std::shared_ptr<const Sticky>;

/// A start record: where it stands, and the start that it names.
struct StartMark {
  Offset offset = 0;
  StartId id;
};

/// Reads the payload of a kStart record: the id, then the wall time in microseconds.
std::optional<StartId> parse_start(Bytes payload) noexcept;
std::string encode_start(const StartId& id, Timestamp wall);

/// The start record among `sticky`.
std::optional<StartMark> start_mark(const Sticky& sticky) noexcept;

}  // namespace tidemark::log
