#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/base/error.hpp"
#include "tidemark/keyset/keyset.hpp"
#include "tidemark/log/types.hpp"

namespace tidemark::arrivals {

/// What became of one event.
enum class Verdict : std::uint8_t { kNew, kDuplicate, kConflict, kTooLate, kInvalid };
inline constexpr std::size_t kVerdictCount = 5;
/// `new`, `duplicate`, `conflict`, `too_late`, `invalid`.
std::string_view verdict_name(Verdict verdict) noexcept;

class Submission;

/// Where answered submissions go back to: one for each io thread.
class CompletionSink {
 public:
  /// Called once a group for all of its submissions from this sink, on the committer's thread, after the group's sync.
  /// Must not block: hands over to its own thread.
  virtual void completed(std::span<Submission* const> submissions) noexcept = 0;

 protected:
  ~CompletionSink() = default;
};

/// One request's items on their way to the log, and the verdicts on their way back. Owned by the caller, who must keep
/// it alive from submit() until its sink has it back. Reusable: clear() keeps the memory.
class Submission {
 public:
  /// One well-formed item.
  struct Item {
    std::uint32_t begin = 0;  ///< Of its encoding, [begin, end) of `encoded`.
    std::uint32_t end = 0;
    keyset::ClaimRequest claim;  ///< Meaningful if has_identity.
    bool has_identity = false;
    bool has_time = false;
    Timestamp time{};  ///< Event time; checked against the accepted age.
  };

  void clear();

  // The request.
  log::RecordKind kind = log::RecordKind::kEvents;
  bool all_or_nothing = false;  ///< Store nothing if any item is kConflict or kTooLate.
  std::string tenant;
  std::vector<Item> items;
  std::string encoded;
  CompletionSink* sink = nullptr;
  void* owner = nullptr;  ///< For the sink to find its own way back.

  // The answer.
  Result<void> outcome;           ///< An error means that nothing was stored and verdicts are void: kUnavailable.
  std::vector<Verdict> verdicts;  ///< One for each item.
  bool stored = false;            ///< At least one item was new and is on disk.
};

}  // namespace tidemark::arrivals
