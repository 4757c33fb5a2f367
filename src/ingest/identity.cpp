#include "identity.hpp"

#include "tidemark/base/bytes.hpp"

namespace tidemark::ingest {
namespace {

// Stored with every claim: never renumber.
constexpr char kEventDomain = 1;
constexpr char kIncrementDomain = 2;
constexpr char kContentSeedDomain = 3;

}  // namespace

void Identities::begin(char domain) {
  message_.assign(1, domain);
}

void Identities::add(std::string_view field) {
  append_le(message_, static_cast<std::uint32_t>(field.size()));
  message_.append(field);
}

Fingerprint Identities::event(std::string_view tenant, std::string_view source, std::string_view id) {
  begin(kEventDomain);
  add(tenant);
  add(source);
  add(id);
  return fingerprint(key_, as_bytes(message_));
}

Fingerprint Identities::increment(std::string_view tenant, std::string_view idempotency_key) {
  begin(kIncrementDomain);
  add(tenant);
  add(idempotency_key);
  return fingerprint(key_, as_bytes(message_));
}

std::uint64_t Identities::content_seed() {
  begin(kContentSeedDomain);
  return fingerprint(key_, as_bytes(message_)).low;
}

}  // namespace tidemark::ingest
