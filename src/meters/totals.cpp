#include "tidemark/meters/totals.hpp"

#include <algorithm>
#include <utility>

#include "dead_letters.hpp"
#include "increments_page.hpp"
#include "record_items.hpp"
#include "sampler.hpp"
#include "schema.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/assert.hpp"
#include "totals_page.hpp"

namespace tidemark::meters {
namespace {

constexpr std::int64_t kPruneRows = 5000;  // In one page.
constexpr microseconds kPruneSlack = std::chrono::hours(1);
constexpr microseconds kPruneInterval = seconds(60);  // Unless the last page pruned as many as it may.
constexpr Timestamp kFirstTime = Timestamp(std::chrono::sys_days(std::chrono::year(0) / 1 / 1));
constexpr Timestamp kEndTime = Timestamp(std::chrono::sys_days(std::chrono::year(10000) / 1 / 1));

}  // namespace

struct TotalsFold::Impl {
  Impl(microseconds max_age, std::function<Timestamp()> trusted, Metrics& metrics)
      : max_event_age(max_age),
        trusted_now(std::move(trusted)),
        samples_counter(
            metrics.counter("tidemark_meters_samples_total", "Events folded, once for each meter that took them")),
        invalid_counter(metrics.counter("tidemark_meters_invalid_samples_total",
                                        "Events left out by a meter because of their value, once for each meter")),
        overflow_counter(metrics.counter("tidemark_meters_overflows_total",
                                         "Events and increments left out because a total would leave its range")),
        pruned_counter(metrics.counter("tidemark_meters_pruned_members_total",
                                       "Members of ended UNIQUE_COUNT windows that were dropped")) {}

  Result<void> use_definitions(std::string_view text);
  void start_generation();
  TotalsPage& page() { return *pages[page_count - 1]; }

  void fold_events(const log::Record& record, std::uint32_t first, std::uint32_t end);
  void fold_event(const log::Record& record, std::string_view tenant, std::uint32_t index,
                  const arrivals::Event& event);
  void fold_increments(const log::Record& record, std::uint32_t first, std::uint32_t end);
  void change_definitions(const log::Record& record);
  void add_letter(flow::DeadLetter dead);
  void remember(log::Position position, std::string_view tenant, std::string payload);
  void add_refusals(const std::vector<Refusal>& refusals);
  Result<void> prune(sql::Session& session, Timestamp now);

  const microseconds max_event_age;
  const std::function<Timestamp()> trusted_now;
  Counter& samples_counter;
  Counter& invalid_counter;
  Counter& overflow_counter;
  Counter& pruned_counter;

  std::string definitions_text;  // As in the log; empty before the first.
  std::shared_ptr<const MeterSet> meters = std::make_shared<MeterSet>();
  Sampler sampler;
  Timestamp last_prune{};
  bool prune_again = false;

  // The page.
  flow::Care care = flow::Care::kFast;
  std::optional<Error> broken;                     // Definitions that can't be read: nothing may be folded past them.
  std::vector<std::unique_ptr<TotalsPage>> pages;  // One for each set of definitions in force; the first page_count.
  std::size_t page_count = 0;
  IncrementsPage increments;
  std::vector<flow::DeadLetter> letters;
  std::vector<flow::DeadLetter> items;  // Care::kExact: every item, in log order, in case it is refused.
  std::size_t letter_bytes = 0;
  std::uint64_t samples = 0;
  std::uint64_t invalid = 0;
  std::optional<Timestamp> arrival;  // Of the last record.
};

TotalsFold::TotalsFold(microseconds max_event_age, std::function<Timestamp()> trusted_now, Metrics& metrics)
    : impl_(std::make_unique<Impl>(max_event_age, std::move(trusted_now), metrics)) {}

TotalsFold::~TotalsFold() = default;

std::string_view TotalsFold::name() const noexcept {
  return "totals";
}

Result<void> TotalsFold::migrate(sql::Session& session) {
  return migrate_tables(session);
}

Result<void> TotalsFold::Impl::use_definitions(std::string_view text) {
  if (text == definitions_text) return {};
  auto definitions = text.empty() ? Result<std::vector<Definition>>() : decode_definitions(text);
  if (!definitions) return fail(Errc::kRefused, definitions.error().message());
  meters = std::make_shared<MeterSet>(std::move(*definitions));
  definitions_text = text;
  return {};
}

/// Folds on with the definitions in force now. What was folded so far is written first, in the log's order.
void TotalsFold::Impl::start_generation() {
  if (page_count == pages.size()) pages.push_back(std::make_unique<TotalsPage>());
  ++page_count;
  page().reset(meters, care);
}

Result<void> TotalsFold::begin(const std::map<log::RecordKind, std::string>& sticky, flow::Care care) {
  Impl& impl = *impl_;
  impl.care = care;
  impl.broken.reset();
  impl.page_count = 0;
  impl.increments.reset(care);
  impl.letters.clear();
  impl.items.clear();
  impl.letter_bytes = 0;
  impl.arrival.reset();
  impl.samples = 0;
  impl.invalid = 0;
  const auto definitions = sticky.find(log::RecordKind::kDefinitions);
  TIDEMARK_TRY(impl.use_definitions(definitions == sticky.end() ? std::string_view() : definitions->second));
  impl.start_generation();
  return {};
}

std::uint32_t TotalsFold::item_count(const log::Record& record) const {
  return arrivals::RecordReader(record.kind, record.payload).item_count();
}

void TotalsFold::add(const log::Record& record, std::uint32_t first, std::uint32_t end) {
  Impl& impl = *impl_;
  impl.arrival = record.arrival;
  if (impl.broken) return;
  switch (record.kind) {
    case log::RecordKind::kEvents:
      impl.fold_events(record, first, end);
      break;
    case log::RecordKind::kIncrements:
      impl.fold_increments(record, first, end);
      break;
    case log::RecordKind::kDefinitions:
      impl.change_definitions(record);
      break;
    case log::RecordKind::kStart:
      break;
  }
}

void TotalsFold::Impl::change_definitions(const log::Record& record) {
  const std::shared_ptr<const MeterSet> before = meters;
  if (auto changed = use_definitions(as_text(record.payload)); !changed) {
    broken = changed.error().with_context("record " + std::to_string(record.offset));
    return;
  }
  if (meters != before) start_generation();
}

void TotalsFold::Impl::fold_events(const log::Record& record, std::uint32_t first, std::uint32_t end) {
  read_items<arrivals::Event>(
      record, first, end,
      [&](std::string_view tenant, std::uint32_t index, const arrivals::Event& event) {
        fold_event(record, tenant, index, event);
      },
      [&](std::string_view tenant, std::uint32_t index, std::string_view detail) {
        add_letter(dead_letter({record.offset, index}, tenant, kCorrupt, std::string(detail), {}));
      });
}

void TotalsFold::Impl::fold_event(const log::Record& record, std::string_view tenant, std::uint32_t index,
                                  const arrivals::Event& event) {
  const std::vector<Sample>& taken = sampler.sample(*meters, event.type, event.data);
  if (taken.empty()) return;
  const log::Position position{record.offset, index};
  const Timestamp time = event.time.value_or(record.arrival);
  if (time < kFirstTime || time >= kEndTime) {
    add_letter(
        dead_letter(position, tenant, kCorrupt, "time lies outside of the years 0000 to 9999", event_json(event)));
    return;
  }
  TotalsPage& totals = page();
  const TotalsPage::EventKey key{position, totals.number_tenant(tenant), totals.number_subject(event.subject), time};
  std::string problems;
  std::size_t valid = 0;
  for (const Sample& sample : taken) {
    if (sample.problem.empty()) {
      totals.add(key, sample);
      ++valid;
    } else {
      problems.append(problems.empty() ? "" : "; ").append("meter ");
      problems.append(meters->meters()[sample.meter].definition.slug).append(": ").append(sample.problem);
    }
  }
  samples += valid;
  invalid += taken.size() - valid;
  if (!problems.empty())
    add_letter(dead_letter(position, tenant, kInvalidValue, std::move(problems), event_json(event)));
  if (care == flow::Care::kExact && valid > 0) remember(position, tenant, event_json(event));
}

void TotalsFold::Impl::fold_increments(const log::Record& record, std::uint32_t first, std::uint32_t end) {
  read_items<arrivals::Increment>(
      record, first, end,
      [&](std::string_view tenant, std::uint32_t index, const arrivals::Increment& increment) {
        const log::Position position{record.offset, index};
        if (increment.value < 1) {
          add_letter(dead_letter(position, tenant, kInvalidValue, "value is below 1", increment_json(increment)));
          return;
        }
        increments.add(position, increments.number_tenant(tenant), increment);
        if (care == flow::Care::kExact) remember(position, tenant, increment_json(increment));
      },
      [&](std::string_view tenant, std::uint32_t index, std::string_view detail) {
        add_letter(dead_letter({record.offset, index}, tenant, kCorrupt, std::string(detail), {}));
      });
}

void TotalsFold::Impl::add_letter(flow::DeadLetter dead) {
  letter_bytes += dead.payload.size() + dead.detail.size();
  letters.push_back(std::move(dead));
}

/// Keeps what a refusal of this item would have to tell: its record is gone by then.
void TotalsFold::Impl::remember(log::Position position, std::string_view tenant, std::string payload) {
  letter_bytes += payload.size();
  items.push_back(dead_letter(position, tenant, kOverflow, {}, std::move(payload)));
}

void TotalsFold::Impl::add_refusals(const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    const auto item = std::ranges::lower_bound(items, refusal.position, {}, &flow::DeadLetter::position);
    TIDEMARK_ASSERT(item != items.end() && item->position == refusal.position);
    letters.push_back(dead_letter(item->position, item->tenant, kOverflow, refusal.detail, item->payload));
  }
  overflow_counter.add(static_cast<double>(refusals.size()));
}

std::size_t TotalsFold::pending_rows() const noexcept {
  // What dead letters hold counts by its size: 1 KiB for a row.
  std::size_t rows = impl_->increments.pending_rows() + impl_->letters.size() + impl_->letter_bytes / 1024;
  for (std::size_t i = 0; i < impl_->page_count; ++i) rows += impl_->pages[i]->pending_rows();
  return rows;
}

Result<void> TotalsFold::apply(sql::Session& session, Timestamp now, std::vector<flow::DeadLetter>& dead) {
  Impl& impl = *impl_;
  if (impl.broken) return fail(*impl.broken);
  std::vector<Refusal> refusals;
  for (std::size_t i = 0; i < impl.page_count; ++i) TIDEMARK_TRY(impl.pages[i]->write(session, now, refusals));
  TIDEMARK_TRY(impl.increments.write(session, now, refusals));
  TIDEMARK_TRY(impl.prune(session, now));
  impl.add_refusals(refusals);
  join_letters(impl.letters);
  std::ranges::move(impl.letters, std::back_inserter(dead));
  impl.samples_counter.add(static_cast<double>(impl.samples));
  impl.invalid_counter.add(static_cast<double>(impl.invalid));
  return {};
}

/// Drops members that no event can ask for any more. What the log still holds unfolded was accepted earlier, by an
/// older trusted time: so nothing is dropped while the flow is further behind than the slack that is left here.
Result<void> TotalsFold::Impl::prune(sql::Session& session, Timestamp now) {
  if (!arrival || now - *arrival > kPruneSlack) return {};
  const bool due = prune_again || now - last_prune >= kPruneInterval || now < last_prune;
  if (!due) return {};
  const Timestamp horizon = trusted_now() - max_event_age - kPruneSlack;
  TIDEMARK_TRY_ASSIGN(const std::int64_t dropped, prune_uniques(session, horizon, kPruneRows));
  last_prune = now;
  prune_again = dropped == kPruneRows;
  pruned_counter.add(static_cast<double>(dropped));
  return {};
}

flow::DeadLetter TotalsFold::describe(const log::Record& record, std::uint32_t index) const {
  flow::DeadLetter dead = dead_letter({record.offset, index}, "default", {}, {}, {});
  const auto describe_item = [&](std::string_view tenant, std::string payload) {
    dead.tenant = tenant;
    dead.payload = std::move(payload);
  };
  const auto broken = [&](std::string_view tenant, std::uint32_t, std::string_view detail) {
    dead.tenant = tenant;
    dead.reason = kCorrupt;
    dead.detail = detail;
  };
  if (record.kind == log::RecordKind::kEvents) {
    read_items<arrivals::Event>(
        record, index, index + 1,
        [&](std::string_view tenant, std::uint32_t, const arrivals::Event& event) {
          describe_item(tenant, event_json(event));
        },
        broken);
  } else if (record.kind == log::RecordKind::kIncrements) {
    read_items<arrivals::Increment>(
        record, index, index + 1,
        [&](std::string_view tenant, std::uint32_t, const arrivals::Increment& increment) {
          describe_item(tenant, increment_json(increment));
        },
        broken);
  }
  return dead;
}

}  // namespace tidemark::meters
