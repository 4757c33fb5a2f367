#include "gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

namespace tidemark::net {
namespace {

constexpr int kGzipOnly = 15 + 16;  // The largest window; 16 asks for the gzip header and its checksum.
constexpr std::size_t kFirstRoom = 16u << 10;

uInt clamp_uint(std::size_t size) {
  return static_cast<uInt>(std::min<std::size_t>(size, std::numeric_limits<uInt>::max()));
}

}  // namespace

struct GzipUnpacker::State {
  z_stream stream{};
};

GzipUnpacker::GzipUnpacker() : state_(std::make_unique<State>()) {
  if (inflateInit2(&state_->stream, kGzipOnly) != Z_OK) throw std::bad_alloc();
}

GzipUnpacker::~GzipUnpacker() {
  inflateEnd(&state_->stream);
}

GzipUnpacker::Outcome GzipUnpacker::unpack(std::string_view packed, std::size_t max_bytes, ByteBuffer& unpacked) {
  z_stream& stream = state_->stream;
  unpacked.clear();
  inflateReset(&stream);
  const std::size_t most = max_bytes + 1;  // One byte past the limit shows that there is more.
  unpacked.reserve(std::min(kFirstRoom, most));
  while (true) {
    unpacked.grow_for(1, most);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // zlib only reads it.
    stream.avail_in = clamp_uint(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(unpacked.room());
    stream.avail_out = clamp_uint(unpacked.room_size());
    const uInt offered_in = stream.avail_in;
    const uInt offered_out = stream.avail_out;
    const int answer = inflate(&stream, Z_NO_FLUSH);
    const uInt taken = offered_in - stream.avail_in;
    const uInt made = offered_out - stream.avail_out;
    packed.remove_prefix(taken);
    unpacked.commit(made);
    if (unpacked.size() > max_bytes) return Outcome::kTooLarge;
    if (answer == Z_STREAM_END) {
      if (packed.empty()) return Outcome::kDone;
      inflateReset(&stream);  // Members may follow one another.
    } else if (answer != Z_OK || (taken == 0 && made == 0) || (packed.empty() && stream.avail_out > 0)) {
      return Outcome::kMalformed;  // Broken, or cut short: no input is left and the member hasn't ended.
    }
  }
}

}  // namespace tidemark::net
