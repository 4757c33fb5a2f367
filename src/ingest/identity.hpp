#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tidemark/base/hash.hpp"

namespace tidemark::ingest {

/// Makes the fingerprints under which arrivals are remembered: SipHash-128 over a byte for the domain and the
/// length-prefixed fields, so that no two identities share a message. One thread at a time.
class Identities {
 public:
  explicit Identities(FingerprintKey key) : key_(key) {}

  /// An event: `(tenant, source, id)`.
  Fingerprint event(std::string_view tenant, std::string_view source, std::string_view id);
  /// An increment that carries an Idempotency-Key: `(tenant, key)`. Never equal to an event's.
  Fingerprint increment(std::string_view tenant, std::string_view idempotency_key);
  /// The seed of the content hashes: the same for the whole life of a store, and unknown outside.
  std::uint64_t content_seed();

 private:
  void begin(char domain);
  void add(std::string_view field);

  const FingerprintKey key_;
  std::string message_;
};

}  // namespace tidemark::ingest
