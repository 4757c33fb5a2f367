#pragma once

#include <cstdint>

#include "tidemark/meters/definition.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::meters {

/// The longest texts of a key column, in characters.
inline constexpr int kTenantChars = 64;
inline constexpr int kSubjectChars = 255;

/// Rows of one batch; a page of any size is written in batches of this many.
inline constexpr std::size_t kWriteBatchRows = 16'384;

/// How rows of tidemark_totals are written for meters of this aggregation. All shapes have the same columns.
const sql::UpsertShape& totals_shape(Aggregation aggregation);
/// What is read of tidemark_totals by key: value, sum, events.
const sql::UpsertShape& stored_totals_shape();
const sql::UpsertShape& uniques_shape();
const sql::UpsertShape& increments_shape();

/// Creates or upgrades the module's tables, index and view; can be run again after a kill at any step. The kernel's
/// tables must be there.
Result<void> migrate_tables(sql::Session& session);

/// Drops at most `rows` members of windows that had ended by `horizon`, and returns how many it dropped.
Result<std::int64_t> prune_uniques(sql::Session& session, Timestamp horizon, std::int64_t rows);

}  // namespace tidemark::meters
