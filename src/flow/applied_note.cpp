#include "tidemark/flow/applied_note.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "tidemark/base/hash.hpp"

namespace tidemark::flow {
namespace {

constexpr std::string_view kForm = "tidemark applied 1";
constexpr std::uint64_t kFileBytesMax = 256;

std::string checksum(std::string_view text) {
  std::array<std::byte, sizeof(std::uint64_t)> bytes;
  store_le(bytes.data(), hash64(as_bytes(text)));
  return to_hex(bytes);
}

/// The note's text, which depends on nothing but the log and the offset; nothing where the log doesn't hold the offset.
std::optional<std::string> note_of(const log::Log& log, log::Offset applied) {
  const std::optional<log::StartId> start = log.start_at(applied);
  if (!start) return std::nullopt;
  std::string text(kForm);
  for (const std::string& word :
       {log.id().to_string(), std::to_string(log.partition()), start->to_string(), std::to_string(applied)}) {
    text.append(" ").append(word);
  }
  return text + " " + checksum(text) + "\n";
}

/// The offset that stands before the checksum; any number for a text that isn't a note.
log::Offset offset_in(std::string_view text) {
  const std::size_t end = text.rfind(' ');
  const std::size_t begin = end == std::string_view::npos || end == 0 ? end : text.rfind(' ', end - 1);
  log::Offset offset = 0;
  if (begin != std::string_view::npos) std::from_chars(text.data() + begin + 1, text.data() + end, offset);
  return offset;
}

}  // namespace

log::Offset AppliedNote::read() {
  const auto text = read_file(files_, path_, kFileBytesMax);
  if (!text) return 0;
  const log::Offset offset = offset_in(*text);
  // There is one text for each position of each log: whatever else stands there doesn't count.
  if (note_of(log_, offset) == *text) noted_ = offset;
  return noted_;
}

Result<void> AppliedNote::take(log::Offset applied) {
  if (applied == noted_) return {};
  const std::optional<std::string> text = note_of(log_, applied);
  if (!text) return {};  // Trimmed meanwhile: the next one will do.
  TIDEMARK_TRY(replace_file(files_, path_, as_bytes(*text)));
  noted_ = applied;
  return {};
}

}  // namespace tidemark::flow
