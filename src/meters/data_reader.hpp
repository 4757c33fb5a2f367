#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json_path.hpp"

namespace tidemark::meters {

/// What stands at a path.
enum class FoundKind : std::uint8_t {
  kMissing,  ///< Nothing, or the data as a whole can't be read.
  kNull,
  kText,       ///< A string; `text` is unescaped.
  kNumber,     ///< `text` is the number as it was sent.
  kBool,       ///< `text` is `true` or `false`.
  kContainer,  ///< An object or an array.
  kBroken,     ///< Something that isn't JSON, such as a string with half of a surrogate pair.
};

struct Found {
  FoundKind kind = FoundKind::kMissing;
  std::string_view text;
};

/// The paths that the meters of one event type ask for, merged to a tree, so that one walk over an event answers all.
class PathTree {
 public:
  /// Returns the slot that the path's answer gets; equal paths share one.
  std::uint32_t add(const JsonPath& path);
  std::uint32_t slots() const noexcept { return slots_; }

 private:
  friend class DataReader;
  static constexpr std::uint32_t kNoSlot = 0xffffffff;
  struct Node {
    std::uint32_t slot = kNoSlot;
    std::vector<std::pair<std::string, std::uint32_t>> members;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> elements;
  };
  std::uint32_t child(std::uint32_t node, const PathStep& step);

  std::vector<Node> nodes_{Node{}};  // The first is the data object itself.
  std::uint32_t slots_ = 0;
};

/// Looks paths up in the `data` of events. Where a name stands twice in an object, the last one counts. No allocation
/// once warm. *Concurrency*: one thread at a time.
class DataReader {
 public:
  DataReader();
  ~DataReader();

  /// Answers each slot of `paths`. The views live until the next call. `data` may be anything: what isn't a JSON object
  /// answers kMissing everywhere.
  const std::vector<Found>& read(const PathTree& paths, std::string_view data);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::meters
