#include "text_table.hpp"

#include <numeric>

#include <sodium.h>

#include "tidemark/base/hash.hpp"

namespace tidemark::meters {

TextHash text_hash(std::string_view text) noexcept {
  TextHash hash;
  crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), hash.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return hash;
}

std::uint32_t TextTable::number_of(std::string_view wanted) {
  const std::uint32_t next = size();
  if (last_ < next && text(last_) == wanted) return last_;
  last_ =
      index_.find_or_add(hash64(as_bytes(wanted)), next, [&](std::uint32_t known) { return text(known) == wanted; });
  if (last_ == next) {
    entries_.push_back({bytes_.size(), wanted.size()});
    bytes_ += wanted;
  }
  return last_;
}

void TextTable::clear() {
  last_ = 0;
  index_.clear();
  entries_.clear();
  bytes_.clear();
}

std::vector<std::uint32_t> TextTable::ranks() const {
  std::vector<std::uint32_t> order(size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [this](std::uint32_t number) { return text(number); });
  std::vector<std::uint32_t> ranks(size());
  for (std::uint32_t rank = 0; rank < order.size(); ++rank) ranks[order[rank]] = rank;
  return ranks;
}

}  // namespace tidemark::meters
