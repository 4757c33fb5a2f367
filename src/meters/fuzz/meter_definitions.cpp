#include <string_view>

#include "tidemark/base/assert.hpp"
#include "tidemark/meters/definition.hpp"

/// Whatever decodes is a valid set of definitions, and comes back unchanged from its canonical form.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
  using namespace tidemark::meters;
  const auto definitions = decode_definitions({reinterpret_cast<const char*>(bytes), size});
  if (!definitions) return 0;
  const std::string encoded = encode_definitions(*definitions);
  const auto again = decode_definitions(encoded);
  TIDEMARK_ASSERT(again.has_value());
  TIDEMARK_ASSERT(encode_definitions(*again) == encoded);
  return 0;
}
