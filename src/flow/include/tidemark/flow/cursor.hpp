#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/log/types.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::flow {

/// Names one cursor: the key of its row in tidemark_cursors.
struct CursorKey {
  std::string flow;
  std::string log_id;
  std::uint32_t partition = 0;
};

/// A row of tidemark_cursors. Format: docs/formats/cursor.md.
struct Cursor {
  std::string position;  ///< Opaque to SQL, compared for equality alone.
  std::string start_id;  ///< The start of the server that wrote the last record that is applied, as 32 hex digits.
  std::optional<Timestamp> complete_through;
  bool operator==(const Cursor&) const = default;
};

/// `offset.index` of a log position, and back. Only what position_text writes is read: two texts for one position would
/// break the comparison.
std::string position_text(log::Position position);
Result<log::Position> parse_position(std::string_view text);

/// One past the last record that a flow at `position` has applied anything of. The log must hold everything up to here,
/// and Log::start_at() of it is the cursor's start_id.
constexpr log::Offset applied_end(log::Position position) noexcept {
  return position.index == 0 ? position.offset : position.offset + 1;
}

/// An event or row that couldn't be applied; a row of tidemark_dead_letters.
struct DeadLetter {
  log::Position position;  ///< Of the event: the record and its index.
  std::string tenant = "default";
  std::string reason;  ///< From a closed set: overflow, invalid_value, corrupt, rejected.
  std::string detail;
  std::string payload;  ///< The event as JSON, as far as it is known; cut at 64 KiB.
};

/// Creates or upgrades tidemark_schema, tidemark_cursors and tidemark_dead_letters; can be run again after a kill at
/// any step. A newer schema is refused with kRefused. The caller holds the migration lock.
Result<void> migrate_kernel_tables(sql::Session& session);

/// One step of an upgrade. Run again after a kill within it, it must come to the same.
using MigrationStep = std::function<Result<void>(sql::Session&)>;

/// Upgrades the tables of one part of the schema, e.g. `kernel`: runs the steps past the version that tidemark_schema
/// holds for it, in order, noting the version after each; steps[0] makes version 1. Steps that were released are never
/// changed. A newer version is refused with kRefused. Not within a transaction; the caller holds the migration lock.
Result<void> migrate_part(sql::Session& session, std::string_view part, std::span<const MigrationStep> steps);

Result<std::optional<Cursor>> read_cursor(sql::Session& session, const CursorKey& key);
/// The log ids other than key.log_id under which this flow and partition have cursors: another log fed the same tables.
Result<std::vector<std::string>> foreign_logs(sql::Session& session, const CursorKey& key);
Result<void> insert_cursor(sql::Session& session, const CursorKey& key, const Cursor& cursor, Timestamp now);

/// Moves the cursor from exactly `from` (position and start_id) to `to`; false when the row isn't there any more:
/// somebody else moved it. The first statement of every page's transaction.
Result<bool> advance_cursor(sql::Session& session, const CursorKey& key, const Cursor& from, const Cursor& to,
                            Timestamp now);

/// Writes dead letters within the page's transaction, sorting them; one that is there already is kept. Text that no
/// database would store is written as hexadecimal.
Result<void> write_dead_letters(sql::Session& session, const CursorKey& key, std::vector<DeadLetter>& letters,
                                Timestamp now);

}  // namespace tidemark::flow
