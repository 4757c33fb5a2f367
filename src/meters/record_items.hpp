#pragma once

#include <cstdint>
#include <string_view>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/log/types.hpp"

namespace tidemark::meters {

/// Reads the items [first, end) of a record: `take(tenant, index, item)` for each, `broken(tenant, index, detail)` for
/// one that can't be read. One that breaks the record's frame is the last that is shown, whatever part is read; so the
/// parts of a record come to the same as the whole.
template <class Item, class Take, class Broken>
void read_items(const log::Record& record, std::uint32_t first, std::uint32_t end, Take&& take, Broken&& broken) {
  arrivals::RecordReader reader(record.kind, record.payload);
  if (!reader.ok()) {
    if (first == 0) broken(std::string_view("default"), 0u, std::string_view("the record's head can't be read"));
    return;
  }
  const std::string_view tenant = reader.tenant();
  if (!reader.skip(first)) return;
  for (std::uint32_t index = first; index < end; ++index) {
    Item item;
    if (reader.next(item)) {
      take(tenant, index, item);
      continue;
    }
    reader = arrivals::RecordReader(record.kind, record.payload);
    const bool goes_on = reader.skip(index + 1);
    broken(tenant, index,
           goes_on ? std::string_view("the item can't be read")
                   : std::string_view("the item can't be read, nor those after it in the record"));
    if (!goes_on) return;
  }
}

}  // namespace tidemark::meters
