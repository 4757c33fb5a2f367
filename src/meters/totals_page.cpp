#include "totals_page.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <tuple>

#include "schema.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/crash_point.hpp"
#include "tidemark/sql/statement.hpp"

namespace tidemark::meters {
namespace {

/// Rows that are written with one shape go together; within, sorted by key.
constexpr std::array<std::array<bool, 7>, 5> kWriteOrder = [] {
  std::array<std::array<bool, 7>, 5> passes{};
  const auto put = [&passes](std::size_t pass, Aggregation aggregation) {
    passes[pass][static_cast<std::size_t>(aggregation)] = true;
  };
  put(0, Aggregation::kCount);
  put(0, Aggregation::kSum);
  put(0, Aggregation::kUniqueCount);
  put(1, Aggregation::kMin);
  put(2, Aggregation::kMax);
  put(3, Aggregation::kLatest);
  put(4, Aggregation::kAvg);
  return passes;
}();

std::string_view as_key_text(const TextHash& hash) noexcept {
  return as_text(hash);
}

/// True if the number, made by adding units, is one that NUMERIC(38,12) holds.
bool in_range(Decimal value) noexcept {
  return value.plus(Decimal()).has_value();
}

std::string refusal_text(const Meter& meter, WindowSize size, std::int64_t start) {
  std::string text = "meter " + meter.definition.slug + ": the total would leave its range; window ";
  text += window_size_name(size);
  if (size != WindowSize::kTotal) text.append(" from ").append(format_rfc3339(from_micros(start)));
  return text;
}

}  // namespace

TotalsPage::TotalsPage()
    : totals_batch_(totals_shape(Aggregation::kSum).columns.size()),
      keys_batch_(sql::key_column_count(stored_totals_shape())),
      members_batch_(uniques_shape().columns.size()) {}

void TotalsPage::reset(std::shared_ptr<const MeterSet> meters, flow::Care care) {
  meters_ = std::move(meters);
  care_ = care;
  tenants_.clear();
  subjects_.clear();
  groups_.clear();
  groups_.number_of("{}");  // kNoGroup
  series_index_.clear();
  series_.clear();
  member_index_.clear();
  members_.clear();
  contributions_.clear();
  pending_rows_ = 0;
}

void TotalsPage::merge(State& into, const State& from, Aggregation aggregation) noexcept {
  switch (aggregation) {
    case Aggregation::kCount:
    case Aggregation::kUniqueCount:
      break;
    case Aggregation::kSum:
    case Aggregation::kAvg:
      into.value += from.value;
      break;
    case Aggregation::kMin:
      if (into.events == 0 || from.value < into.value) into.value = from.value;
      break;
    case Aggregation::kMax:
      if (into.events == 0 || from.value > into.value) into.value = from.value;
      break;
    case Aggregation::kLatest:  // Of two at the same time the one that stands later in the log.
      if (into.events == 0 || from.last >= into.last) into.value = from.value;
      break;
  }
  into.events += from.events;
  into.first = std::min(into.first, from.first);
  into.last = std::max(into.last, from.last);
}

std::uint32_t TotalsPage::series_number(const EventKey& event, const Sample& sample, const Meter& meter) {
  Series series;
  series.meter = sample.meter;
  series.tenant = event.tenant;
  series.subject = event.subject;
  series.group = meter.groups.empty() ? kNoGroup : groups_.number_of(sample.group_values);
  series.window = to_micros(window_start(meter.finest, event.time));
  const auto pair = [](std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; };
  const std::uint64_t hash = mix(mix(pair(series.subject, series.group), static_cast<std::uint64_t>(series.window)),
                                 pair(series.tenant, series.meter));
  const auto next = static_cast<std::uint32_t>(series_.size());
  const std::uint32_t number =
      series_index_.find_or_add(hash, next, [&](std::uint32_t known) { return series_[known].same_key(series); });
  if (number == next) {
    series_.push_back(series);
    pending_rows_ += meter.definition.windows.size();
  }
  return number;
}

bool TotalsPage::add_member(std::uint32_t series, const TextHash& hash) {
  const Member member{series, hash};
  const auto next = static_cast<std::uint32_t>(members_.size());
  const std::uint64_t slot_hash = mix(load_le<std::uint64_t>(hash.data()), series);
  const std::uint32_t number =
      member_index_.find_or_add(slot_hash, next, [&](std::uint32_t known) { return members_[known] == member; });
  if (number != next) return false;
  members_.push_back(member);
  return true;
}

void TotalsPage::add(const EventKey& event, const Sample& sample) {
  const Meter& meter = meters_->meters()[sample.meter];
  const Aggregation aggregation = meter.definition.aggregation;
  const std::uint32_t series = series_number(event, sample, meter);
  const std::int64_t time = to_micros(event.time);
  const State state{sample.value.units(), 1, time, time};
  const bool has_member = aggregation == Aggregation::kUniqueCount;
  if (care_ == flow::Care::kExact) {
    contributions_.push_back({event.position, series, state, has_member ? text_hash(sample.member) : TextHash{}});
    if (has_member) pending_rows_ += meter.definition.windows.size();
    return;
  }
  merge(series_[series].state, state, aggregation);
  if (has_member && add_member(series, text_hash(sample.member))) pending_rows_ += meter.definition.windows.size();
}

Result<void> TotalsPage::write(sql::Session& session, Timestamp now, std::vector<Refusal>& refusals) {
  if (series_.empty()) return {};
  lay_out_rows();
  if (care_ == flow::Care::kExact) {
    TIDEMARK_TRY(admit(session, refusals));
  } else {
    merge_series();
  }
  TIDEMARK_TRY(write_uniques(session));
  return write_totals(session, now);
}

/// Sorts the series by the bytes of their rows' keys and makes the rows of every window that they belong to.
void TotalsPage::lay_out_rows() {
  group_hashes_.resize(groups_.size());
  for (std::uint32_t group = 0; group < groups_.size(); ++group) group_hashes_[group] = text_hash(groups_.text(group));
  const std::vector<std::uint32_t> tenant_ranks = tenants_.ranks();
  const std::vector<std::uint32_t> subject_ranks = subjects_.ranks();
  const auto key = [&](std::uint32_t number) {
    const Series& series = series_[number];
    return std::tuple(tenant_ranks[series.tenant], series.meter, subject_ranks[series.subject],
                      as_key_text(group_hashes_[series.group]), series.window);
  };
  order_.resize(series_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::ranges::sort(order_, {}, key);

  rows_.clear();
  row_numbers_.resize(series_.size());
  const auto ends_run = [this](std::uint32_t left, std::uint32_t right) {
    const Series& a = series_[left];
    const Series& b = series_[right];
    return a.subject != b.subject || a.group != b.group || a.meter != b.meter || a.tenant != b.tenant;
  };
  for (auto begin = order_.cbegin(); begin != order_.cend();) {
    auto end = std::adjacent_find(begin, order_.cend(), ends_run);
    if (end != order_.cend()) ++end;
    lay_out_run(begin, end);
    begin = end;
  }
}

/// The rows of one meter, tenant, subject and group, whose series stand in the order of their windows.
void TotalsPage::lay_out_run(std::vector<std::uint32_t>::const_iterator begin,
                             std::vector<std::uint32_t>::const_iterator end) {
  const std::vector<WindowSize>& windows = windows_of(*begin);
  for (const WindowSize size : kWindowSizesByName) {
    if (std::ranges::find(windows, size) == windows.end()) continue;
    for (auto series = begin; series != end; ++series) {
      const std::int64_t start = to_micros(window_start(size, from_micros(series_[*series].window)));
      if (series == begin || rows_.back().start != start) rows_.push_back({*series, size, start, {}});
      row_numbers_[*series][static_cast<std::size_t>(size)] = static_cast<std::uint32_t>(rows_.size() - 1);
    }
  }
}

void TotalsPage::merge_series() {
  for (const std::uint32_t number : order_) {
    const Series& series = series_[number];
    for (const WindowSize size : windows_of(number))
      merge(row_of(number, size).state, series.state, aggregation_of(series));
  }
}

/// Folds the samples in log order onto what the database holds, and leaves out those that don't fit.
Result<void> TotalsPage::admit(sql::Session& session, std::vector<Refusal>& refusals) {
  std::vector<std::uint32_t> all(rows_.size());
  std::iota(all.begin(), all.end(), 0u);
  TIDEMARK_TRY(read_stored(session, all));
  for (const Contribution& sample : contributions_) {
    const Series& series = series_[sample.series];
    const Aggregation aggregation = aggregation_of(series);
    const std::vector<WindowSize>& windows = windows_of(sample.series);
    const auto full = std::ranges::find_if(
        windows, [&](WindowSize size) { return !fits(row_of(sample.series, size), sample.state, aggregation); });
    if (full != windows.end()) {
      const Row& row = row_of(sample.series, *full);
      refusals.push_back({sample.position, refusal_text(meters_->meters()[series.meter], row.size, row.start)});
      continue;
    }
    for (const WindowSize size : windows) merge(row_of(sample.series, size).state, sample.state, aggregation);
    if (aggregation == Aggregation::kUniqueCount) add_member(sample.series, sample.member);
  }
  return {};
}

/// Whether the row still holds its number of events and its value, with this sample added.
bool TotalsPage::fits(const Row& row, const State& sample, Aggregation aggregation) const noexcept {
  const Stored& stored = stored_[static_cast<std::size_t>(&row - rows_.data())];
  std::int64_t events = 0;
  if (__builtin_add_overflow(stored.events, row.state.events + 1, &events)) return false;
  switch (aggregation) {
    case Aggregation::kMin:
    case Aggregation::kMax:
    case Aggregation::kLatest:
      return true;
    case Aggregation::kCount:
    case Aggregation::kUniqueCount:  // Every event may bring a new member.
      return stored.value.plus(Decimal::from_int(row.state.events + 1)).has_value();
    case Aggregation::kSum:
      return stored.value.plus(Decimal::from_units(row.state.value + sample.value)).has_value();
    case Aggregation::kAvg:
      return stored.sum.plus(Decimal::from_units(row.state.value + sample.value)).has_value();
  }
  return true;
}

void TotalsPage::append_key(sql::Batch& batch, const Row& row) const {
  const Series& series = series_[row.series];
  batch.begin_row();
  batch.add_text(tenants_.text(series.tenant));
  batch.add_text(meters_->meters()[series.meter].definition.slug);
  batch.add_text(subjects_.text(series.subject));
  batch.add_text(as_key_text(group_hashes_[series.group]));
  batch.add_text(window_size_name(row.size));
  batch.add_time(from_micros(row.start));
}

/// Fills `stored_` for the rows that are named, which are sorted.
Result<void> TotalsPage::read_stored(sql::Session& session, const std::vector<std::uint32_t>& rows) {
  stored_.resize(rows_.size());
  for (std::span<const std::uint32_t> rest = rows; !rest.empty();) {
    const auto chunk = rest.first(std::min(rest.size(), kWriteBatchRows));
    rest = rest.subspan(chunk.size());
    keys_batch_.clear();
    for (const std::uint32_t row : chunk) append_key(keys_batch_, rows_[row]);
    TIDEMARK_TRY_ASSIGN(const auto found, session.read_by_key(stored_totals_shape(), keys_batch_));
    TIDEMARK_ASSERT(found.size() == chunk.size());
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      Stored& stored = stored_[chunk[i]] = {};
      if (!found[i]) continue;
      const sql::Row& columns = *found[i];
      stored.value = std::get<Decimal>(columns[0]);
      if (const auto* sum = std::get_if<Decimal>(&columns[1])) stored.sum = *sum;
      stored.events = std::get<std::int64_t>(columns[2]);
    }
  }
  return {};
}

/// Inserts the members that are new, and counts them into their rows.
Result<void> TotalsPage::write_uniques(sql::Session& session) {
  if (members_.empty()) return {};
  std::vector<Member> row_members;  // `series` is a row's number here.
  for (const Member& member : members_) {
    for (const WindowSize size : windows_of(member.series)) {
      row_members.push_back({row_numbers_[member.series][static_cast<std::size_t>(size)], member.hash});
    }
  }
  std::ranges::sort(row_members, {},
                    [](const Member& member) { return std::tuple(member.series, as_key_text(member.hash)); });
  const auto repeated = std::ranges::unique(row_members);
  row_members.erase(repeated.begin(), repeated.end());
  TIDEMARK_TRY(insert_members(session, row_members));
  TIDEMARK_CRASH_POINT("meters.uniques_written");
  return {};
}

Result<void> TotalsPage::insert_members(sql::Session& session, std::vector<Member>& members) {
  std::vector<bool> inserted;
  for (std::span<const Member> rest = members; !rest.empty();) {
    const auto chunk = rest.first(std::min(rest.size(), kWriteBatchRows));
    rest = rest.subspan(chunk.size());
    members_batch_.clear();
    for (const Member& member : chunk) {
      append_key(members_batch_, rows_[member.series]);
      members_batch_.add_text(as_key_text(member.hash));
    }
    TIDEMARK_TRY(session.insert_missing(uniques_shape(), members_batch_, inserted));
    TIDEMARK_ASSERT(inserted.size() == chunk.size());
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      if (inserted[i]) rows_[chunk[i].series].state.value += Decimal::kScale;
    }
  }
  return {};
}

Result<void> TotalsPage::write_totals(sql::Session& session, Timestamp now) {
  std::vector<std::uint32_t> chosen;
  for (const auto& pass : kWriteOrder) {
    chosen.clear();
    for (std::uint32_t row = 0; row < rows_.size(); ++row) {
      const Aggregation aggregation = aggregation_of(series_[rows_[row].series]);
      if (rows_[row].state.events > 0 && pass[static_cast<std::size_t>(aggregation)]) chosen.push_back(row);
    }
    if (chosen.empty()) continue;
    TIDEMARK_TRY(write_rows(session, now, chosen));
  }
  TIDEMARK_CRASH_POINT("meters.totals_written");
  return {};
}

/// Writes rows that share a shape.
Result<void> TotalsPage::write_rows(sql::Session& session, Timestamp now, const std::vector<std::uint32_t>& rows) {
  const Aggregation aggregation = aggregation_of(series_[rows_[rows.front()].series]);
  if (aggregation == Aggregation::kAvg && care_ == flow::Care::kFast) TIDEMARK_TRY(read_stored(session, rows));
  for (std::span<const std::uint32_t> rest = rows; !rest.empty();) {
    const auto chunk = rest.first(std::min(rest.size(), kWriteBatchRows));
    rest = rest.subspan(chunk.size());
    totals_batch_.clear();
    for (const std::uint32_t row : chunk) TIDEMARK_TRY(append_row(rows_[row], now));
    TIDEMARK_TRY(session.upsert(totals_shape(aggregation), totals_batch_));
  }
  return {};
}

Result<void> TotalsPage::append_row(const Row& row, Timestamp now) {
  const Series& series = series_[row.series];
  const Aggregation aggregation = aggregation_of(series);
  Decimal value = Decimal::from_units(row.state.value);
  std::optional<Decimal> sum;
  if (aggregation == Aggregation::kCount) value = Decimal::from_int(row.state.events);
  if (aggregation == Aggregation::kAvg) {
    const Stored& stored = stored_[static_cast<std::size_t>(&row - rows_.data())];
    std::int64_t events = 0;
    sum = stored.sum.plus(value);
    if (!sum || __builtin_add_overflow(stored.events, row.state.events, &events)) {
      return fail(Errc::kOverflow, "an average's sum or number of events would leave its range");
    }
    value = average(*sum, events);
  }
  if (!in_range(value)) return fail(Errc::kOverflow, "a total would leave its range");
  append_key(totals_batch_, row);
  totals_batch_.add_text(groups_.text(series.group));
  totals_batch_.add_decimal(value);
  sum ? totals_batch_.add_decimal(*sum) : totals_batch_.add_null();
  totals_batch_.add_int(row.state.events);
  totals_batch_.add_time(from_micros(row.state.first));
  totals_batch_.add_time(from_micros(row.state.last));
  totals_batch_.add_time(now);
  return {};
}

}  // namespace tidemark::meters
