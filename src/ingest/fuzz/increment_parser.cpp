#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/ingest/event_parser.hpp"

// The first line is the Idempotency-Key, the rest the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidemark;
  static ingest::IncrementParser parser{FingerprintKey{}};
  static arrivals::Submission submission;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view key = input.substr(0, input.find('\n'));
  const std::string_view text = input.substr(std::min(key.size() + 1, input.size()));
  const std::unique_ptr<char[]> padded(new char[text.size() + 64]());
  if (!text.empty()) std::memcpy(padded.get(), text.data(), text.size());
  submission.tenant = "default";
  std::string field;
  const auto result = parser.parse({padded.get(), text.size()}, key, submission, field);
  if (result.has_value() == submission.items.empty()) std::abort();
  if (!result) return 0;

  std::string payload;
  arrivals::encode_record_head(payload, submission.tenant, 1);
  payload += submission.encoded;
  arrivals::RecordReader reader(log::RecordKind::kIncrements, as_bytes(payload));
  arrivals::Increment increment;
  if (!reader.next(increment) || increment.value < 1) std::abort();
  if (text.find(arrivals::uuid_to_text(increment.key)) == std::string_view::npos &&
      text.find('\\') == std::string_view::npos) {
    std::abort();
  }
  return 0;
}
