#include <cstdint>
#include <string_view>

#include "tidemark/base/assert.hpp"
#include "tidemark/base/bytes.hpp"
#include "url.hpp"

// Whatever a URL holds it is read or refused; what is read is text without NUL, as the client library's C strings need.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidemark;
  const auto url = sql::mysql::parse_url({reinterpret_cast<const char*>(data), size});
  if (!url) {
    TIDEMARK_ASSERT(url.error().code() == Errc::kInvalidArgument);
    return 0;
  }
  TIDEMARK_ASSERT(url->port != 0 && !url->host.empty());
  for (const std::string* text : {&url->host, &url->user, &url->database, &url->socket, &url->ca, &url->key}) {
    TIDEMARK_ASSERT(is_storable_text(*text));
  }
  return 0;
}
