#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

#include "tidemark/base/bytes.hpp"

namespace tidemark {

/// A 128-bit keyed hash of an identity. Two different identities share one by chance with probability 2^-128 a pair:
/// below 1e-20 for 10^9 remembered identities (n^2/2^129).
struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const Fingerprint&) const = default;
};

/// The secret of a store under which its fingerprints are made, so that nobody outside can aim at collisions.
struct FingerprintKey {
  std::array<std::byte, 16> bytes{};
};

/// SipHash-2-4 with 128 bits of output (libsodium).
Fingerprint fingerprint(const FingerprintKey& key, Bytes message) noexcept;

/// XXH3-64 of `message` under `seed`: checksums and content hashes, not for identities.
std::uint64_t hash64(Bytes message, std::uint64_t seed = 0) noexcept;

}  // namespace tidemark
