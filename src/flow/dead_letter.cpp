#include <algorithm>

#include "kernel_tables.hpp"
#include "tidemark/base/bytes.hpp"
#include "tidemark/flow/cursor.hpp"

namespace tidemark::flow {
namespace {

constexpr std::size_t kPayloadBytesMax = 64u << 10;
constexpr std::size_t kDetailBytesMax = 4u << 10;

/// At most `limit` bytes of `text`, cut between characters. A dead letter must never be refused itself, or the flow
/// would stand before it for ever.
std::string storable(const std::string& text, std::size_t limit) {
  if (!is_storable_text(text)) return to_hex(as_bytes(std::string_view(text).substr(0, limit / 2)));
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

Result<void> write_dead_letters(sql::Session& session, const CursorKey& key, std::vector<DeadLetter>& letters,
                                Timestamp now) {
  if (letters.empty()) return {};
  // Bulk writes want the order of the stored key, in which the offset is text.
  const auto order = [](const DeadLetter& letter) {
    return std::pair(std::to_string(letter.position.offset), letter.position.index);
  };
  std::ranges::stable_sort(letters, {}, order);
  const auto repeats = std::ranges::unique(letters, {}, order);
  letters.erase(repeats.begin(), repeats.end());

  const sql::UpsertShape& shape = dead_letter_shape();
  sql::Batch batch(shape.columns.size());
  for (const DeadLetter& letter : letters) {
    batch.begin_row();
    batch.add_text(key.flow);
    batch.add_text(key.log_id);
    batch.add_int(key.partition);
    batch.add_text(std::to_string(letter.position.offset));
    batch.add_int(letter.position.index);
    batch.add_text(letter.tenant);
    batch.add_text(letter.reason);
    batch.add_text(storable(letter.detail, kDetailBytesMax));
    batch.add_text(storable(letter.payload, kPayloadBytesMax));
    batch.add_time(now);
  }
  std::vector<bool> inserted;
  return session.insert_missing(shape, batch, inserted);
}

}  // namespace tidemark::flow
