#include "tidemark/keyset/keyset.hpp"

#include <algorithm>
#include <bit>
#include <thread>

#include "store.hpp"
#include "table.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/crash_point.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::keyset {
namespace {

constexpr std::uint64_t kLeastMemoryBytes = 1u << 20;
/// Look-ups go through memory together in groups, so that their cache misses overlap.
constexpr std::size_t kGroup = 16;
/// So many requests go to disk together, so that its reads overlap.
constexpr std::size_t kRound = 4096;
/// So many segments ahead of the one that is asked are the filter lines of a group fetched.
constexpr std::size_t kFiltersAhead = 2;

/// A table's chunks are small against its least share of memory (some 6 % of the whole), and never above 160 KiB.
unsigned chunk_shift_for(std::uint64_t memory_bytes) {
  constexpr std::uint64_t kChunksInLeastTable = 16;
  const std::uint64_t entries = memory_bytes / 16 / kChunksInLeastTable / sizeof(Entry);
  return static_cast<unsigned>(std::clamp<std::uint64_t>(std::bit_width(entries), 6, 12));
}

/// Then a claim that passed it is looked for in the segment itself.
bool is_whole(const std::shared_ptr<const Filter>& filter) {
  return filter && filter->halvings() == 0;
}

Result<void> check_options(const KeySetOptions& options) {
  if (options.memory_bytes < kLeastMemoryBytes) {
    return fail(Errc::kInvalidArgument,
                "keyset_memory_bytes must be at least 1 MiB: " + std::to_string(options.memory_bytes));
  }
  if (options.window <= microseconds(0) || options.time_buckets == 0) {
    return fail(Errc::kInvalidArgument, "identity_window and the number of time buckets must be above 0");
  }
  return {};
}

}  // namespace

struct KeySet::Impl {
  /// A request of a group that the tables don't hold.
  struct Wanted {
    Fingerprint identity;
    std::uint32_t index = 0;  ///< Within the round.
    FilterBits bits;
  };
  /// A segment that may hold the claim of a request, by what memory tells.
  struct Candidate {
    std::uint32_t index = 0;  ///< Of the request, within the round.
    std::uint32_t part = 0;   ///< Of the view.
  };

  Impl(Metrics& metrics, const KeySetOptions& options);

  Result<void> find_older(const View& view, std::span<const ClaimRequest> round);
  void ask_memory(const View& view, std::span<const ClaimRequest> group, std::uint32_t first);
  void ask_filters(const View& view, std::span<const Wanted> wanted);
  Result<void> ask_disk(const View& view, std::span<const ClaimRequest> round);
  void decide(std::span<const ClaimRequest> round, std::uint64_t offset, std::int64_t now,
              std::span<ClaimAnswer> answers);
  void undo(std::uint32_t claims);
  Result<void> wait_until_written();
  void note_table_size();
  void show(const View& view);
  void run(std::stop_token stop);

  const std::int64_t window;
  const unsigned chunk_shift;
  Gauge& claims_gauge;
  Gauge& resident_gauge;
  Counter& disk_reads_counter;

  std::unique_ptr<Store> store;

  // Confined to the committer.
  std::shared_ptr<Table> active;
  std::int64_t newest_arrival = 0;
  std::uint64_t frozen_to = 0;              // What covered_to() will be once all is written.
  std::uint32_t claimed = 0;                // By the last claim().
  std::vector<std::optional<Entry>> older;  // Of each request of a round: what is known behind the active table.
  std::vector<Candidate> candidates;        // Those of one request are in order, the newest segment first.

  std::atomic<std::uint64_t> active_claims{0};
  std::atomic<std::uint64_t> active_bytes{0};
  std::atomic<std::uint64_t> disk_reads{0};

  std::jthread thread;  // Last: stops before what it uses goes.
};

KeySet::Impl::Impl(Metrics& metrics, const KeySetOptions& options)
    : window(options.window.count()),
      chunk_shift(chunk_shift_for(options.memory_bytes)),
      claims_gauge(metrics.gauge("tidemark_keyset_claims", "Identities that are remembered")),
      resident_gauge(metrics.gauge("tidemark_keyset_resident_bytes", "Memory of tables, filters and fences")),
      disk_reads_counter(metrics.counter("tidemark_keyset_disk_reads_total", "Reads from segments by look-ups")),
      active(std::make_shared<Table>(chunk_shift)) {}

Result<std::unique_ptr<KeySet>> KeySet::open(FileSystem& files, Random& random, Metrics& metrics, KeySetOptions options,
                                             const std::array<std::byte, 16>& log_id, KeySetReport& report) {
  TIDEMARK_TRY(check_options(options));
  auto impl = std::make_unique<Impl>(metrics, options);
  TIDEMARK_TRY_ASSIGN(impl->store, Store::open(files, random, metrics, options, log_id, report));
  impl->frozen_to = impl->store->covered_to();
  for (const View::Part& part : impl->store->view()->parts) {
    impl->newest_arrival = std::max(impl->newest_arrival, part.segment->footer().max_arrival);
  }
  impl->show(*impl->store->view());
  if (options.background_thread) {
    impl->thread = std::jthread([impl = impl.get()](std::stop_token stop) { impl->run(stop); });
  }
  return std::unique_ptr<KeySet>(new KeySet(std::move(impl)));
}

KeySet::KeySet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KeySet::~KeySet() = default;

const FingerprintKey& KeySet::fingerprint_key() const noexcept {
  return impl_->store->fingerprint_key();
}
std::uint64_t KeySet::covered_to() const noexcept {
  return impl_->store->covered_to();
}
std::optional<Error> KeySet::background_error() const {
  return impl_->store->error();
}

Result<void> KeySet::claim(std::span<const ClaimRequest> requests, std::uint64_t offset, Timestamp arrival,
                           Timestamp now, std::span<ClaimAnswer> answers) {
  Impl& impl = *impl_;
  const std::int64_t at = to_micros(arrival);
  TIDEMARK_ASSERT(answers.size() == requests.size());
  impl.claimed = 0;
  if (!Entry::fits(offset, requests.size(), at)) {
    return fail(Errc::kTooLarge, "a claim's position or time is out of range: offset " + std::to_string(offset) +
                                     ", arrival " + std::to_string(at) + " us");
  }
  impl.newest_arrival = std::max(impl.newest_arrival, at);
  const std::shared_ptr<const View> view = impl.store->view();
  for (std::size_t first = 0; first < requests.size(); first += kRound) {
    const auto round = requests.subspan(first, std::min(kRound, requests.size() - first));
    if (auto found = impl.find_older(*view, round); !found) {
      impl.undo(impl.claimed);
      return found;
    }
    impl.decide(round, offset, to_micros(now), answers.subspan(first, round.size()));
  }
  impl.note_table_size();
  impl.show(*view);
  return {};
}

void KeySet::release(std::span<const ClaimRequest> requests, std::span<const ClaimAnswer> answers) {
  TIDEMARK_ASSERT(answers.size() == requests.size());
  std::uint32_t claims = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) claims += answers[i].is_new && !requests[i].look_up_only;
  TIDEMARK_ASSERT(claims == impl_->claimed);
  impl_->undo(claims);
  impl_->note_table_size();
}

Result<void> KeySet::restore(const Fingerprint& identity, std::uint64_t content, OwnerPosition owner,
                             Timestamp arrival) {
  Impl& impl = *impl_;
  const std::int64_t at = to_micros(arrival);
  if (owner.offset < impl.frozen_to) return {};
  if (!Entry::fits(owner.offset, owner.index, at)) {
    return fail(Errc::kCorrupt,
                "a position or time in the log is out of range; restore the data directory from a "
                "backup: record " +
                    std::to_string(owner.offset));
  }
  impl.newest_arrival = std::max(impl.newest_arrival, at);
  impl.claimed = 0;
  const Entry* known = impl.active->find(identity);
  if (known != nullptr && known->owner() >= owner) return {};
  const Entry added = Entry::make(identity, content, owner, impl.newest_arrival);
  known == nullptr ? impl.active->add(added) : impl.active->replace(added);
  impl.note_table_size();
  return {};
}

Result<void> KeySet::checkpoint_if_due(std::uint64_t offset, bool force) {
  Impl& impl = *impl_;
  if (auto error = impl.store->error()) return fail(*std::move(error));
  const std::uint32_t entries = impl.active->entries();
  const bool due =
      force ? entries > 0 || offset > impl.frozen_to : impl.active->bytes() >= impl.store->table_max_bytes();
  if (!due) return {};
  TIDEMARK_ASSERT(offset >= impl.frozen_to);
  TIDEMARK_ASSERT(entries == 0 || impl.active->entry(entries - 1).owner().offset < offset);
  TIDEMARK_TRY(impl.wait_until_written());
  TIDEMARK_CRASH_POINT("keyset.table_frozen");
  impl.store->freeze(std::exchange(impl.active, std::make_shared<Table>(impl.chunk_shift)), offset);
  impl.frozen_to = offset;
  impl.claimed = 0;
  impl.note_table_size();
  return {};
}

Result<void> KeySet::wait_for_checkpoint() {
  return impl_->wait_until_written();
}

Result<void> KeySet::expire(Timestamp now) {
  impl_->store->expire(to_micros(now));
  if (auto error = impl_->store->error()) return fail(*std::move(error));
  return {};
}

Result<bool> KeySet::step() {
  return impl_->store->step();
}

KeySetStats KeySet::stats() const {
  const std::shared_ptr<const View> view = impl_->store->view();
  KeySetStats stats;
  stats.claims = impl_->active_claims + view->claims();
  stats.table_bytes = impl_->active_bytes + view->frozen_bytes();
  stats.resident_bytes = stats.table_bytes + view->segment_memory_bytes();
  stats.disk_bytes = view->disk_bytes();
  stats.segments = view->parts.size();
  for (const View::Part& part : view->parts) {
    stats.filters_on_disk += part.filter == nullptr;
    stats.filters_halved += part.filter != nullptr && part.filter->halvings() > 0;
  }
  stats.disk_reads = impl_->disk_reads;
  return stats;
}

/// Looks for the claims of a round that the active table doesn't hold, in the frozen table and in the segments.
Result<void> KeySet::Impl::find_older(const View& view, std::span<const ClaimRequest> round) {
  older.assign(round.size(), std::nullopt);
  candidates.clear();
  for (std::size_t first = 0; first < round.size(); first += kGroup) {
    const auto group = round.subspan(first, std::min(kGroup, round.size() - first));
    ask_memory(view, group, static_cast<std::uint32_t>(first));
  }
  return ask_disk(view, round);
}

/// Looks for the claims of a group in the tables and filters; the group's first request is number `first` of the round.
void KeySet::Impl::ask_memory(const View& view, std::span<const ClaimRequest> group, std::uint32_t first) {
  for (const ClaimRequest& request : group) active->prefetch_slots(request.identity);
  for (const ClaimRequest& request : group) active->prefetch_entry(request.identity);
  if (!view.frozen && view.parts.empty()) return;
  if (view.frozen) {
    for (const ClaimRequest& request : group) view.frozen->prefetch_slots(request.identity);
    for (const ClaimRequest& request : group) view.frozen->prefetch_entry(request.identity);
  }
  std::array<Wanted, kGroup> wanted;
  std::size_t count = 0;
  std::uint32_t index = first;
  for (const ClaimRequest& request : group) {
    const Fingerprint& identity = request.identity;
    if (active->find(identity) == nullptr) {
      if (const Entry* known = view.frozen ? view.frozen->find(identity) : nullptr) {
        older[index] = *known;
      } else {
        wanted[count++] = {identity, index, FilterBits(identity.low)};
      }
    }
    ++index;
  }
  ask_filters(view, std::span(wanted).first(count));
}

void KeySet::Impl::ask_filters(const View& view, std::span<const Wanted> wanted) {
  const auto fetch = [&](std::size_t number) {
    if (number >= view.parts.size() || !view.parts[number].filter) return;
    for (const Wanted& each : wanted) view.parts[number].filter->prefetch(each.identity);
  };
  for (std::size_t number = 0; number < kFiltersAhead; ++number) fetch(number);
  for (std::uint32_t number = 0; number < view.parts.size(); ++number) {
    fetch(number + kFiltersAhead);
    const auto& filter = view.parts[number].filter;
    for (const Wanted& each : wanted) {
      if (filter && !filter->may_hold(each.identity, each.bits)) continue;
      candidates.push_back({each.index, number});
      // The read is under way while memory is asked for the rest of the round.
      const Segment& segment = *view.parts[number].segment;
      is_whole(filter) ? segment.will_find(each.identity) : segment.will_ask(each.identity);
    }
  }
}

/// Asks the candidates: where memory has no whole filter, first the one on disk. The newest claim that is found counts.
Result<void> KeySet::Impl::ask_disk(const View& view, std::span<const ClaimRequest> round) {
  const auto segment_of = [&](const Candidate& each) -> const Segment& { return *view.parts[each.part].segment; };
  const auto identity_of = [&](const Candidate& each) -> const Fingerprint& { return round[each.index].identity; };
  std::uint64_t reads = 0;
  std::size_t left = 0;
  for (const Candidate each : candidates) {
    if (!is_whole(view.parts[each.part].filter)) {
      ++reads;
      TIDEMARK_TRY_ASSIGN(const bool may_hold, segment_of(each).may_hold(identity_of(each)));
      if (!may_hold) continue;
      segment_of(each).will_find(identity_of(each));
    }
    candidates[left++] = each;
  }
  candidates.resize(left);
  for (const Candidate& each : candidates) {
    if (older[each.index]) continue;
    ++reads;
    TIDEMARK_TRY_ASSIGN(older[each.index], segment_of(each).find(identity_of(each)));
  }
  disk_reads += reads;
  disk_reads_counter.add(static_cast<double>(reads));
  return {};
}

void KeySet::Impl::decide(std::span<const ClaimRequest> round, std::uint64_t offset, std::int64_t now,
                          std::span<ClaimAnswer> answers) {
  for (std::size_t i = 0; i < round.size(); ++i) {
    const ClaimRequest& request = round[i];
    const Entry* in_table = active->find(request.identity);
    const Entry* known = in_table == nullptr && older[i] ? &*older[i] : in_table;
    if (known != nullptr && !is_expired(known->arrival(), now, window)) {
      answers[i] = {false, known->content == request.content, known->owner()};
      continue;
    }
    answers[i] = {true, false, {offset, claimed}};
    if (request.look_up_only) continue;
    const Entry added = Entry::make(request.identity, request.content, answers[i].owner, newest_arrival);
    in_table == nullptr ? active->add(added) : active->replace(added);
    ++claimed;
  }
}

void KeySet::Impl::undo(std::uint32_t claims) {
  for (; claims > 0; --claims) active->undo_last();
  claimed = 0;
}

Result<void> KeySet::Impl::wait_until_written() {
  if (thread.joinable()) return store->wait_until_written();
  while (store->has_frozen()) {
    TIDEMARK_TRY_ASSIGN(const bool worked, store->step());
    if (!worked) break;
  }
  return store->wait_until_written();
}

/// Tells the active table's size to other threads.
void KeySet::Impl::note_table_size() {
  active_claims.store(active->size(), std::memory_order_relaxed);
  active_bytes.store(active->bytes(), std::memory_order_relaxed);
}

void KeySet::Impl::show(const View& view) {
  const std::uint64_t tables = active_bytes + view.frozen_bytes();
  claims_gauge.set(static_cast<double>(active_claims + view.claims()));
  resident_gauge.set(static_cast<double>(tables + view.segment_memory_bytes()));
}

void KeySet::Impl::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const Result<bool> worked = store->step();
    if (!worked) {
      logging::error("the key set's background thread has stopped", {{"error", worked.error()}});
      return;
    }
    show(*store->view());
    if (!*worked) store->wait_for_work(stop);
  }
}

}  // namespace tidemark::keyset
