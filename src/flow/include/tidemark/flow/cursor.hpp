#pragma once

#include <cstdint>
#include <optional>
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

/// A row of tidemark_cursors.
struct Cursor {
  std::string position;  ///< Opaque to SQL, compared for equality alone.
  std::string start_id;
  std::optional<Timestamp> complete_through;
};

/// `offset.index` of a log position, and back.
std::string position_text(log::Position position);
Result<log::Position> parse_position(std::string_view text);

/// An event or row that couldn't be applied; a row of tidemark_dead_letters.
struct DeadLetter {
  log::Position position;  ///< Of the event: the record and its index.
  std::string tenant = "default";
  std::string reason;  ///< From a closed set: overflow, invalid_value, corrupt, rejected.
  std::string detail;
  std::string payload;  ///< The event as JSON, as far as it is known; cut at 64 KiB.
};

/// Creates or upgrades tidemark_schema, tidemark_cursors and tidemark_dead_letters; can be run again after a kill at any
/// step. A newer schema is refused with kRefused. The caller holds the migration lock.
Result<void> migrate_kernel_tables(sql::Session& session);

Result<std::optional<Cursor>> read_cursor(sql::Session& session, const CursorKey& key);
/// The log ids other than key.log_id under which this flow has cursors: another log fed the same totals.
Result<std::vector<std::string>> foreign_logs(sql::Session& session, const CursorKey& key);
Result<void> insert_cursor(sql::Session& session, const CursorKey& key, const Cursor& cursor);

/// Moves the cursor from exactly `from_position`/`from_start` to `to`; false when the row isn't there any more: somebody else moved it.
/// The first statement of every page's transaction.
Result<bool> advance_cursor(sql::Session& session, const CursorKey& key, const Cursor& from, const Cursor& to,
                            Timestamp now);

/// Writes dead letters within the page's transaction; one that is there already is kept.
Result<void> write_dead_letters(sql::Session& session, const CursorKey& key, std::vector<DeadLetter>& letters,
                                Timestamp now);

}  // namespace tidemark::flow
