#include "increments_page.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>
#include <tuple>

#include "schema.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/crash_point.hpp"
#include "tidemark/sql/statement.hpp"

namespace tidemark::meters {

IncrementsPage::IncrementsPage()
    : batch_(increments_shape().columns.size()), keys_batch_(sql::key_column_count(increments_shape())) {}

void IncrementsPage::reset(flow::Care care) {
  care_ = care;
  tenants_.clear();
  index_.clear();
  counters_.clear();
  contributions_.clear();
}

void IncrementsPage::add(log::Position position, std::uint32_t tenant, const arrivals::Increment& increment) {
  const std::uint64_t hash =
      mix(mix(load_le<std::uint64_t>(increment.key.data()), tenant), load_le<std::uint64_t>(increment.key.data() + 8));
  const auto next = static_cast<std::uint32_t>(counters_.size());
  const std::uint32_t number = index_.find_or_add(hash, next, [&](std::uint32_t known) {
    return counters_[known].key == increment.key && counters_[known].tenant == tenant;
  });
  if (number == next) counters_.push_back({tenant, increment.key, 0});
  if (care_ == flow::Care::kExact) {
    contributions_.push_back({position, number, increment.value});
  } else {
    counters_[number].sum += increment.value;
  }
}

void IncrementsPage::append_key(sql::Batch& batch, const Counter& counter) const {
  batch.begin_row();
  batch.add_text(tenants_.text(counter.tenant));
  batch.add_text(arrivals::uuid_to_text(counter.key));
}

std::vector<std::uint32_t> IncrementsPage::sorted_counters() const {
  const std::vector<std::uint32_t> ranks = tenants_.ranks();
  std::vector<std::uint32_t> sorted(counters_.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::ranges::sort(sorted, {}, [&](std::uint32_t number) {
    return std::tuple(ranks[counters_[number].tenant], as_text(counters_[number].key));
  });
  return sorted;
}

/// Folds the increments in log order onto what the database holds, and leaves out those that don't fit.
Result<void> IncrementsPage::admit(sql::Session& session, const std::vector<std::uint32_t>& sorted,
                                   std::vector<Refusal>& refusals) {
  std::vector<std::int64_t> totals(counters_.size());
  for (std::span<const std::uint32_t> rest = sorted; !rest.empty();) {
    const auto chunk = rest.first(std::min(rest.size(), kWriteBatchRows));
    rest = rest.subspan(chunk.size());
    keys_batch_.clear();
    for (const std::uint32_t number : chunk) append_key(keys_batch_, counters_[number]);
    TIDEMARK_TRY_ASSIGN(const auto found, session.read_by_key(increments_shape(), keys_batch_));
    TIDEMARK_ASSERT(found.size() == chunk.size());
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      if (found[i]) totals[chunk[i]] = std::get<std::int64_t>(found[i]->front());
    }
  }
  for (const Contribution& increment : contributions_) {
    std::int64_t total = 0;
    if (__builtin_add_overflow(totals[increment.counter], increment.value, &total)) {
      refusals.push_back({increment.position, "the counter would pass 9223372036854775807"});
      continue;
    }
    totals[increment.counter] = total;
    counters_[increment.counter].sum += increment.value;
  }
  return {};
}

Result<void> IncrementsPage::write(sql::Session& session, Timestamp now, std::vector<Refusal>& refusals) {
  if (counters_.empty()) return {};
  std::vector<std::uint32_t> sorted = sorted_counters();
  if (care_ == flow::Care::kExact) TIDEMARK_TRY(admit(session, sorted, refusals));
  std::erase_if(sorted, [this](std::uint32_t number) { return counters_[number].sum == 0; });  // All were left out.
  for (std::span<const std::uint32_t> rest = sorted; !rest.empty();) {
    const auto chunk = rest.first(std::min(rest.size(), kWriteBatchRows));
    rest = rest.subspan(chunk.size());
    batch_.clear();
    for (const std::uint32_t number : chunk) {
      const Counter& counter = counters_[number];
      if (counter.sum > std::numeric_limits<std::int64_t>::max()) {
        return fail(Errc::kOverflow, "a counter would pass 9223372036854775807");
      }
      append_key(batch_, counter);
      batch_.add_int(static_cast<std::int64_t>(counter.sum));
      batch_.add_time(now);
    }
    TIDEMARK_TRY(session.upsert(increments_shape(), batch_));
  }
  TIDEMARK_CRASH_POINT("meters.increments_written");
  return {};
}

}  // namespace tidemark::meters
