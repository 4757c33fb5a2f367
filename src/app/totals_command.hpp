#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "tidemark/base/clock.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::app {

struct TotalsQuery {
  std::string meter;  ///< Empty: every meter.
  std::string window_size = "TOTAL";
  std::uint32_t limit = 10;  ///< Rows for each meter, 1 to 1,000.
  bool json = false;
  microseconds wait{};  ///< Waits so long for everything that had arrived when the call began.
};

/// Prints the largest totals of each meter as the database holds them now, and what they are complete through.
/// Errors: kNotFound when there are no tables of ours; kTimeout when the wait ran out; those of the database.
Result<void> print_totals(sql::Database& database, Clock& clock, const TotalsQuery& query, std::ostream& out);

}  // namespace tidemark::app
