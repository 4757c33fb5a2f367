#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "segment_format.hpp"

namespace tidemark::keyset {

/// What a store consists of: the one file that is replaced as a whole, after everything that it names is on disk.
struct Manifest {
  struct SegmentName {
    std::uint64_t number = 0;
    std::uint64_t footer_checksum = 0;
    bool operator==(const SegmentName&) const = default;
  };

  LogId log_id{};
  FingerprintKey key;
  std::uint64_t next_number = 0;  ///< Of the next segment; above all in use.
  std::uint64_t covered_to = 0;
  std::vector<SegmentName> segments;  ///< Oldest first.
};

std::string manifest_path(const std::string& directory);

std::string encode(const Manifest& manifest);
/// Errors: kCorrupt and kUnsupported, naming `path`.
Result<Manifest> decode_manifest(Bytes bytes, const std::string& path);

}  // namespace tidemark::keyset
