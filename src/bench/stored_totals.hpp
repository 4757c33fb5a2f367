#pragma once

#include "event_stream.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::bench {

/// What SQL holds of the meter that all workloads count with, in the window sizes of which it holds least and most.
struct StoredTotals {
  EventTotals least;
  EventTotals most;
  /// Every window size holds exactly this.
  bool are(const EventTotals& totals) const noexcept { return least == totals && most == totals; }
  std::string to_string() const;
};

Result<StoredTotals> read_totals(sql::Session& session);

/// Waits until everything that had arrived by `moment` is in SQL, telling on standard error how far it is. Error
/// kTimeout after half an hour.
Result<void> await_totals(sql::Database& database, Timestamp moment);

}  // namespace tidemark::bench
