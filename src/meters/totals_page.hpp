#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sampler.hpp"
#include "slot_index.hpp"
#include "text_table.hpp"
#include "tidemark/flow/log_fold.hpp"
#include "tidemark/sql/session.hpp"
#include "window.hpp"

namespace tidemark::meters {

/// An event that was left out, and why.
struct Refusal {
  log::Position position;
  std::string detail;
};

/// The totals of one page under one set of definitions: folds each sample into its meter's finest window, with one
/// look-up, and makes the rows of the wider windows from those when it is written.
///
/// Under Care::kExact it remembers each sample instead, and write() folds them in log order onto what the database
/// holds, leaving out exactly those that would take a total out of its range: such a sample counts in none of its
/// meter's windows.
class TotalsPage {
 public:
  /// Where an event belongs; texts are numbered once for all meters.
  struct EventKey {
    log::Position position;
    std::uint32_t tenant = 0;
    std::uint32_t subject = 0;
    Timestamp time;
  };

  TotalsPage();

  /// Starts an empty page, keeping the memory.
  void reset(std::shared_ptr<const MeterSet> meters, flow::Care care);
  const MeterSet& meters() const noexcept { return *meters_; }

  std::uint32_t number_tenant(std::string_view tenant) { return tenants_.number_of(tenant); }
  std::uint32_t number_subject(std::string_view subject) { return subjects_.number_of(subject); }
  /// Folds a sample without a problem.
  void add(const EventKey& event, const Sample& sample);

  /// At most so many rows would be written now.
  std::size_t pending_rows() const noexcept { return pending_rows_; }

  /// Writes the page; what was left out is added to `refusals`. Error kOverflow under Care::kFast when a total would
  /// leave its range.
  Result<void> write(sql::Session& session, Timestamp now, std::vector<Refusal>& refusals);

 private:
  static constexpr std::uint32_t kNoGroup = 0;  // The number of the group `{}`.

  /// What a window holds of this page. `value` is in units of Decimal; for COUNT it follows from `events`.
  struct State {
    __int128 value = 0;
    std::int64_t events = 0;
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    std::int64_t last = std::numeric_limits<std::int64_t>::min();
  };
  /// One meter, tenant, subject, group and finest window.
  struct Series {
    std::uint32_t meter = 0;
    std::uint32_t tenant = 0;
    std::uint32_t subject = 0;
    std::uint32_t group = 0;
    std::int64_t window = 0;  // Its start.
    State state;
    bool same_key(const Series& other) const noexcept {
      return subject == other.subject && window == other.window && meter == other.meter && group == other.group &&
             tenant == other.tenant;
    }
  };
  /// One member of a UNIQUE_COUNT in a finest window.
  struct Member {
    std::uint32_t series = 0;
    TextHash hash{};
    bool operator==(const Member&) const = default;
  };
  /// A sample under Care::kExact.
  struct Contribution {
    log::Position position;
    std::uint32_t series = 0;
    State state;
    TextHash member{};
  };
  /// A row to be written.
  struct Row {
    std::uint32_t series = 0;  // Any of those that it is made of: for the key.
    WindowSize size = WindowSize::kTotal;
    std::int64_t start = 0;
    State state;
  };
  /// What the database holds of a row.
  struct Stored {
    Decimal value;
    Decimal sum;
    std::int64_t events = 0;
  };

  static void merge(State& into, const State& from, Aggregation aggregation) noexcept;
  Aggregation aggregation_of(const Series& series) const noexcept {
    return meters_->meters()[series.meter].definition.aggregation;
  }
  const std::vector<WindowSize>& windows_of(std::uint32_t series) const noexcept {
    return meters_->meters()[series_[series].meter].definition.windows;
  }
  Row& row_of(std::uint32_t series, WindowSize size) { return rows_[row_numbers_[series][static_cast<int>(size)]]; }

  std::uint32_t series_number(const EventKey& event, const Sample& sample, const Meter& meter);
  bool add_member(std::uint32_t series, const TextHash& hash);
  void lay_out_rows();
  void lay_out_run(std::vector<std::uint32_t>::const_iterator begin, std::vector<std::uint32_t>::const_iterator end);
  void merge_series();
  Result<void> admit(sql::Session& session, std::vector<Refusal>& refusals);
  bool fits(const Row& row, const State& sample, Aggregation aggregation) const noexcept;
  Result<void> write_uniques(sql::Session& session);
  Result<void> insert_members(sql::Session& session, std::vector<Member>& members);
  Result<void> write_totals(sql::Session& session, Timestamp now);
  Result<void> write_rows(sql::Session& session, Timestamp now, const std::vector<std::uint32_t>& rows);
  Result<void> read_stored(sql::Session& session, const std::vector<std::uint32_t>& rows);
  Result<void> append_row(const Row& row, Timestamp now);
  void append_key(sql::Batch& batch, const Row& row) const;

  std::shared_ptr<const MeterSet> meters_;
  flow::Care care_ = flow::Care::kFast;
  TextTable tenants_;
  TextTable subjects_;
  TextTable groups_;
  SlotIndex series_index_;
  std::vector<Series> series_;
  SlotIndex member_index_;
  std::vector<Member> members_;  // `series` is the series' number.
  std::vector<Contribution> contributions_;
  std::size_t pending_rows_ = 0;

  // While it is being written.
  std::vector<TextHash> group_hashes_;
  std::vector<std::uint32_t> order_;                       // Series numbers, sorted as their rows.
  std::vector<Row> rows_;                                  // Sorted by key.
  std::vector<std::array<std::uint32_t, 4>> row_numbers_;  // Of each series, by window size.
  std::vector<Stored> stored_;                             // Of the rows for which it was read.
  sql::Batch totals_batch_;
  sql::Batch keys_batch_;
  sql::Batch members_batch_;
};

}  // namespace tidemark::meters
