#include "tidemark/base/hash.hpp"

#include <sodium/crypto_shorthash_siphash24.h>
#include <xxhash.h>

namespace tidemark {

static_assert(crypto_shorthash_siphashx24_KEYBYTES == sizeof(FingerprintKey));
static_assert(crypto_shorthash_siphashx24_BYTES == sizeof(Fingerprint));

Fingerprint fingerprint(const FingerprintKey& key, Bytes message) noexcept {
  std::array<unsigned char, crypto_shorthash_siphashx24_BYTES> out;
  crypto_shorthash_siphashx24(out.data(), reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                              reinterpret_cast<const unsigned char*>(key.bytes.data()));
  return {load_le<std::uint64_t>(out.data()), load_le<std::uint64_t>(out.data() + 8)};
}

std::uint64_t hash64(Bytes message, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(message.data(), message.size(), seed);
}

}  // namespace tidemark
