#pragma once

#include <vector>

#include "sticky.hpp"
#include "tidemark/log/types.hpp"

namespace tidemark::log {

/// A sticky record that was read from an echo because its own frame is damaged.
struct RescuedRecord {
  Offset offset = 0;
  RecordKind kind{};
};

/// The records of `echoed` that stand at or after `from` and are newer than those in `known`, by offset.
std::vector<RescuedRecord> rescued_records(const Sticky& echoed, const Sticky& known, Offset from);

/// Takes `offset` out of the last of `damage`, which covers it.
void exclude_from_last(std::vector<Damage>& damage, Offset offset);

}  // namespace tidemark::log
