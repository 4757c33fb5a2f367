// The first byte says in what pieces the rest arrives; the rest is what a client sends: a head and perhaps chunks. What
// is understood must not depend on the pieces, and every view must lie within the bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "chunked.hpp"
#include "head.hpp"
#include "tidemark/base/ascii.hpp"
#include "tidemark/base/assert.hpp"

namespace {

using namespace tidemark::net;

constexpr std::size_t kMaxBody = 4096;

struct Decoded {
  ChunkDecoder::State state = ChunkDecoder::State::kNeedMore;
  std::size_t used = 0;
  std::string body;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view bytes, std::size_t step) {
  ChunkDecoder decoder(kMaxBody);
  ByteBuffer body;
  Decoded decoded;
  while (decoded.state == ChunkDecoder::State::kNeedMore && decoded.used < bytes.size()) {
    std::size_t used = 0;
    decoded.state = decoder.feed(bytes.substr(decoded.used, step), body, used);
    decoded.used += used;
  }
  TIDEMARK_ASSERT(body.size() <= kMaxBody);
  decoded.body = body.view();
  return decoded;
}

bool within(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_head(std::string_view head, Framing& framing) {
  Request request;
  if (parse_head(head, request, framing)) return;
  TIDEMARK_ASSERT(within(request.path, head) || request.path == "/");
  TIDEMARK_ASSERT(within(request.query, head) && !request.path.empty());
  int framings = 0;
  for (const auto& [name, value] : request.headers) {
    TIDEMARK_ASSERT(within(name, head) && within(value, head) && !name.empty());
    TIDEMARK_ASSERT(value.find_first_of("\r\n") == std::string_view::npos);
    framings += tidemark::same_ignoring_case(name, "Content-Length");
    framings += tidemark::same_ignoring_case(name, "Transfer-Encoding");
  }
  TIDEMARK_ASSERT(framings <= 1);
  std::string value;
  request.query_parameter("verdicts", value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = std::size_t{1} + data[0] % 64;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);

  HeadProgress whole_progress = 0;
  const HeadState whole = find_head_end(bytes, whole_progress);
  HeadProgress progress = 0;
  HeadState state = HeadState::kIncomplete;
  for (std::size_t arrived = 0; state == HeadState::kIncomplete && arrived < bytes.size();) {
    arrived = std::min(arrived + step, bytes.size());
    state = find_head_end(bytes.substr(0, arrived), progress);
  }
  TIDEMARK_ASSERT(state == whole && progress == whole_progress);
  if (whole != HeadState::kComplete) return 0;
  Framing framing;
  check_head(bytes.substr(0, progress), framing);
  if (framing.body != BodyFraming::kChunked) return 0;
  const std::string_view rest = bytes.substr(progress);
  TIDEMARK_ASSERT(decode(rest, step) == decode(rest, std::max<std::size_t>(rest.size(), 1)));
  return 0;
}
