#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/base/metrics.hpp"
#include "tidemark/flow/log_fold.hpp"
#include "tidemark/log/log.hpp"
#include "tidemark/meters/definition.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::meters {

/// Folds events and increments into `tidemark_totals`, `tidemark_uniques` and `increments`: the flow `totals`.
/// Each event is folded with the definitions in force at its position.
class TotalsFold final : public flow::LogFold {
 public:
  /// `trusted_now`: no event that happened more than `max_event_age` before it is accepted from then on; so members
  /// behind UNIQUE_COUNT are pruned that long after their window's end. Arrival stamps won't do: they stay ahead after
  /// the clock was set back. Called on the flow's thread.
  TotalsFold(microseconds max_event_age, std::function<Timestamp()> trusted_now, Metrics& metrics);
  ~TotalsFold() override;
  std::string_view name() const noexcept override;
  Result<void> migrate(sql::Session& session) override;
  Result<void> begin(const std::map<log::RecordKind, std::string>& sticky, flow::Care care) override;
  std::uint32_t item_count(const log::Record& record) const override;
  void add(const log::Record& record, std::uint32_t first, std::uint32_t end) override;
  std::size_t pending_rows() const noexcept override;
  Result<void> apply(sql::Session& session, Timestamp now, std::vector<flow::DeadLetter>& dead) override;
  flow::DeadLetter describe(const log::Record& record, std::uint32_t index) const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What GET /increment/{key} answers.
struct IncrementTotal {
  std::int64_t value = 0;
  std::optional<Timestamp> complete_through;
};
Result<std::optional<IncrementTotal>> read_increment(sql::Session& session, std::string_view tenant,
                                                     std::string_view key, std::string_view log_id);

/// Folds the records [first, end) of a log to the digest that a trimmed segment leaves for `verify`: for each tenant,
/// meter, window size and start the number of events, the exact sum and the XOR of the identities' fingerprints, and
/// for increments likewise by tenant. JSON, docs/formats/digest.md.
Result<std::string> digest_segment(log::Log& log, const log::SegmentInfo& segment);

}  // namespace tidemark::meters
