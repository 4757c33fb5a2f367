#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "slot_index.hpp"
#include "text_table.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/flow/log_fold.hpp"
#include "tidemark/sql/session.hpp"
#include "totals_page.hpp"

namespace tidemark::meters {

/// The counters of one page: sums by tenant and key. Under Care::kExact write() folds the increments in log order onto
/// what the database holds, and leaves out exactly those that would take a counter past 2^63-1.
class IncrementsPage {
 public:
  IncrementsPage();

  /// Starts an empty page, keeping the memory.
  void reset(flow::Care care);
  std::uint32_t number_tenant(std::string_view tenant) { return tenants_.number_of(tenant); }
  void add(log::Position position, std::uint32_t tenant, const arrivals::Increment& increment);
  std::size_t pending_rows() const noexcept { return counters_.size(); }

  /// Writes the page; what was left out is added to `refusals`. Error kOverflow under Care::kFast when a counter would
  /// pass its range.
  Result<void> write(sql::Session& session, Timestamp now, std::vector<Refusal>& refusals);

 private:
  struct Counter {
    std::uint32_t tenant = 0;
    std::array<std::byte, 16> key{};
    __int128 sum = 0;
  };
  struct Contribution {
    log::Position position;
    std::uint32_t counter = 0;
    std::int64_t value = 0;
  };
  void append_key(sql::Batch& batch, const Counter& counter) const;
  std::vector<std::uint32_t> sorted_counters() const;
  Result<void> admit(sql::Session& session, const std::vector<std::uint32_t>& sorted, std::vector<Refusal>& refusals);

  flow::Care care_ = flow::Care::kFast;
  TextTable tenants_;
  SlotIndex index_;
  std::vector<Counter> counters_;
  std::vector<Contribution> contributions_;
  sql::Batch batch_;
  sql::Batch keys_batch_;
};

}  // namespace tidemark::meters
