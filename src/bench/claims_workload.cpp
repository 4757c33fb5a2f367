#include <chrono>
#include <fstream>
#include <span>
#include <vector>

#include "event_stream.hpp"
#include "latency_histogram.hpp"
#include "measured_server.hpp"
#include "process_usage.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/clock.hpp"
#include "tidemark/base/random.hpp"
#include "tidemark/keyset/keyset.hpp"
#include "tidemark/log/log.hpp"
#include "workloads.hpp"

#include <unistd.h>

namespace tidemark::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::uint64_t kSampleStep = 1'000;

/// The identity with this number, as good as random.
keyset::ClaimRequest claim_of(std::uint64_t number) {
  keyset::ClaimRequest request;
  request.identity = {mix(number), mix(number ^ 0x5bf03635dcf3a2c9)};
  request.content = number;
  return request;
}

/// A log and the key set beside it.
struct ClaimStore {
  Result<void> open(const std::string& directory, microseconds window, std::uint64_t memory_bytes) {
    log::LogOptions log_options;
    log_options.directory = directory + "/log";
    log::RecoveryReport recovery;
    TIDEMARK_TRY_ASSIGN(log, log::Log::open(files, clock, random, metrics, log_options, recovery));
    keyset_options.directory = directory + "/keyset";
    keyset_options.window = window;
    keyset_options.memory_bytes = memory_bytes;
    return open_keyset();
  }

  /// Merges until nothing is left to merge; all claims must be durable.
  Result<void> settle() {
    keyset.reset();
    keyset_options.background_thread = false;
    TIDEMARK_TRY(open_keyset());
    for (bool worked = true; worked;) {
      TIDEMARK_TRY_ASSIGN(worked, keyset->step());
    }
    return {};
  }

  Result<void> open_keyset() {
    keyset::KeySetReport found;
    TIDEMARK_TRY_ASSIGN(keyset, keyset::KeySet::open(files, random, metrics, keyset_options, log->id().bytes, found));
    return {};
  }

  PosixFileSystem files;
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  keyset::KeySetOptions keyset_options;
  std::unique_ptr<log::Log> log;
  std::unique_ptr<keyset::KeySet> keyset;
};

/// Claims `count` identities from `first` on as if they had arrived over the whole window, without the log's part.
Result<void> preload(ClaimStore& store, microseconds window, std::uint64_t count, std::uint32_t buckets) {
  constexpr std::uint64_t kAtOnce = 4'096;
  const Timestamp now = store.clock.now();
  const Timestamp oldest = now - window + window / (buckets + 1);
  const log::Offset record = store.log->synced_end() - 1;
  std::vector<keyset::ClaimRequest> requests;
  std::vector<keyset::ClaimAnswer> answers;
  for (std::uint64_t done = 0; done < count; done += requests.size()) {
    requests.clear();
    while (requests.size() < std::min(kAtOnce, count - done)) requests.push_back(claim_of(done + requests.size()));
    answers.assign(requests.size(), {});
    const std::uint64_t bucket = done * buckets / count;
    const Timestamp arrival = oldest + (now - oldest) * static_cast<std::int64_t>(bucket) / buckets;
    TIDEMARK_TRY(store.keyset->claim(requests, record, arrival, arrival, answers));
    TIDEMARK_TRY(store.keyset->checkpoint_if_due(record + 1));
  }
  TIDEMARK_TRY(store.keyset->checkpoint_if_due(record + 1, true));
  return store.keyset->wait_for_checkpoint();
}

/// Where a run notes how many identities its directory holds, for one that goes on with it.
std::string identities_file(const Options& options) {
  return options.directory + "/identities";
}

class ClaimsRun {
 public:
  ClaimsRun(const Options& options, const Surroundings& surroundings, Report& report)
      : options_(options), surroundings_(surroundings), report_(report) {}
  Result<void> run();

 private:
  Result<void> prepare();
  Result<void> claim_batch();
  Result<bool> all_are_known();
  void tell(double seconds, double cpu_seconds);
  Result<void> finish();

  const Options& options_;
  const Surroundings& surroundings_;
  Report& report_;
  ClaimStore store_;
  log::GroupBuilder group_;
  std::vector<keyset::ClaimRequest> requests_;
  std::vector<keyset::ClaimAnswer> answers_;
  std::string payload_;
  std::uint64_t next_ = 0;  ///< The number of the next fresh identity.
  std::uint64_t random_ = 1;
  std::uint64_t answered_new_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t wrong_ = 0;
  LatencyHistogram latency_;
};

/// Look-up, insert, one record in the log, one sync: as the committer does for a group.
Result<void> ClaimsRun::claim_batch() {
  requests_.clear();
  const std::uint64_t known = next_;
  for (std::size_t i = 0; i < options_.batch_events; ++i) {
    random_ = mix(random_);
    const bool repeats = known > 0 && static_cast<double>(random_ >> 40) / 16777216.0 < options_.duplicates;
    requests_.push_back(claim_of(repeats ? mix(random_) % known : next_++));
  }
  const auto began = Steady::now();
  answers_.assign(requests_.size(), {});
  const Timestamp arrival = std::max(store_.clock.now(), store_.log->last_arrival());
  TIDEMARK_TRY(store_.keyset->claim(requests_, store_.log->next_offset(), arrival, arrival, answers_));
  payload_.clear();
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (!answers_[i].is_new) continue;
    append_le(payload_, requests_[i].identity.high);
    append_le(payload_, requests_[i].identity.low);
    append_le(payload_, requests_[i].content);
  }
  group_.reset(arrival);
  group_.add(log::RecordKind::kEvents, as_bytes(payload_));
  TIDEMARK_TRY(store_.log->commit(group_));
  TIDEMARK_TRY(store_.keyset->checkpoint_if_due(store_.log->next_offset()));
  latency_.add(static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(Steady::now() - began).count()));
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const bool fresh = requests_[i].content >= known;
    wrong_ += answers_[i].is_new != fresh || (!fresh && !answers_[i].same_content);
    answered_new_ += answers_[i].is_new;
  }
  answered_ += requests_.size();
  return {};
}

/// Looks a sample of all identities up, and some that were never claimed.
Result<bool> ClaimsRun::all_are_known() {
  const Timestamp now = store_.log->last_arrival();
  for (std::uint64_t number = 0; number < next_ * 2; number += kSampleStep) {
    keyset::ClaimRequest request = claim_of(number);
    request.look_up_only = true;
    keyset::ClaimAnswer answer;
    TIDEMARK_TRY(
        store_.keyset->claim(std::span(&request, 1), store_.log->next_offset(), now, now, std::span(&answer, 1)));
    if (answer.is_new != (number >= next_)) return false;
  }
  return true;
}

Result<void> ClaimsRun::prepare() {
  const auto began = Steady::now();
  TIDEMARK_TRY(prepare_data(options_, surroundings_));
  std::ifstream(identities_file(options_)) >> next_;
  TIDEMARK_TRY(store_.open(data_directory(options_), kIdentityWindow, options_.keyset_memory_bytes));
  report_.add("preload_seconds", std::chrono::duration<double>(Steady::now() - began).count());
  report_.add("claims_before", next_);
  report_.add("segments_before", store_.keyset->stats().segments);
  return {};
}

/// Leaves the directory as another run can go on with it.
Result<void> ClaimsRun::finish() {
  TIDEMARK_TRY(store_.keyset->checkpoint_if_due(store_.log->next_offset(), true));
  TIDEMARK_TRY(store_.keyset->wait_for_checkpoint());
  note_identities(options_, next_);
  return {};
}

void ClaimsRun::tell(double seconds, double cpu_seconds) {
  const keyset::KeySetStats stats = store_.keyset->stats();
  const double claims = static_cast<double>(stats.claims);
  report_.add("claims_per_second", static_cast<double>(answered_) / seconds);
  report_.add("cpu_seconds_per_million_claims", cpu_seconds * 1e6 / static_cast<double>(answered_));
  report_.add("batch_latency_p50_us", latency_.percentile(0.5));
  report_.add("batch_latency_p99_us", latency_.percentile(0.99));
  report_.add("batch_latency_max_us", latency_.largest());
  report_.add("claims_held", stats.claims);
  report_.add("memory_bytes_per_claim", static_cast<double>(stats.resident_bytes) / claims);
  report_.add("disk_bytes_per_claim", static_cast<double>(stats.disk_bytes) / claims);
  report_.add("segments", stats.segments);
  report_.add("look_up_disk_reads", stats.disk_reads);
}

Result<void> ClaimsRun::run() {
  report_.add("batch_claims", std::uint64_t{options_.batch_events});
  report_.add("duplicates_share", options_.duplicates);
  report_.add("preloaded_claims", options_.preloaded_claims);
  report_.add("keyset_memory_bytes", options_.keyset_memory_bytes);
  TIDEMARK_TRY(prepare());
  const std::uint64_t present = next_;

  for (const auto end = Steady::now() + options_.warm_up; Steady::now() < end;) TIDEMARK_TRY(claim_batch());
  const std::uint64_t fresh_before = next_ - present;
  const bool warm_up_held = answered_new_ == fresh_before;
  answered_ = 0;
  latency_ = LatencyHistogram();
  const auto usage = usage_of(getpid());
  const HostTimes host = host_times();
  const auto began = Steady::now();
  while (Steady::now() < began + options_.measured) TIDEMARK_TRY(claim_batch());
  const double elapsed = std::chrono::duration<double>(Steady::now() - began).count();
  const auto after = usage_of(getpid());
  report_.add("host_steal_share", steal_share(host, host_times()));
  tell(elapsed, usage && after ? after->cpu_seconds - usage->cpu_seconds : 0);

  TIDEMARK_TRY_ASSIGN(const bool known, all_are_known());
  TIDEMARK_TRY(finish());
  const std::uint64_t fresh = next_ - present;
  return conclude(report_, warm_up_held && answered_new_ == fresh && wrong_ == 0 && known,
                  "claimed " + std::to_string(fresh) + " identities, answered new " + std::to_string(answered_new_) +
                      ", wrong answers " + std::to_string(wrong_) + ", sample of all known: " + (known ? "yes" : "no"));
}

}  // namespace

Result<void> preload_claims(const std::string& directory, microseconds window, const Options& options) {
  ClaimStore store;
  TIDEMARK_TRY(store.open(directory, window, options.keyset_memory_bytes));
  TIDEMARK_TRY(preload(store, window, options.preloaded_claims, options.preloaded_buckets));
  return store.settle();
}

void note_identities(const Options& options, std::uint64_t count) {
  std::ofstream(identities_file(options)) << count;
}

Result<Tail> append_tail(const std::string& directory, microseconds window, std::uint64_t bytes,
                         const Options& options) {
  ClaimStore store;
  TIDEMARK_TRY(store.open(directory, window, options.keyset_memory_bytes));
  constexpr std::string_view kDataBegin = R"({"amount":1,"model":")";
  constexpr std::string_view kDataEnd = R"("})";
  const std::string data = std::string(kDataBegin) + std::string(options.event_bytes / 2, 'm') + std::string(kDataEnd);
  Tail tail;
  log::GroupBuilder group;
  std::string payload;
  for (; tail.bytes < bytes; tail.bytes += payload.size()) {
    group.reset(std::max(store.clock.now(), store.log->last_arrival()));
    payload.clear();
    arrivals::encode_record_head(payload, "default", static_cast<std::uint32_t>(options.batch_events));
    for (std::size_t i = 0; i < options.batch_events; ++i, ++tail.events) {
      const keyset::ClaimRequest claim = claim_of(~tail.events);  // Beyond those that are preloaded.
      const std::string id = std::to_string(tail.events);
      const std::string subject = "s-" + std::to_string(mix(tail.events) % options.subjects);
      arrivals::Event event;
      event.identity = {claim.identity, claim.content};
      event.id = id;
      event.source = "bench";
      event.type = kEventType;
      event.subject = subject;
      event.data = data;
      arrivals::encode_event(payload, event);
    }
    group.add(log::RecordKind::kEvents, as_bytes(payload));
    TIDEMARK_TRY(store.log->commit(group));
  }
  return tail;
}

Result<void> run_claims(const Options& options, const Surroundings& surroundings, Report& report) {
  return ClaimsRun(options, surroundings, report).run();
}

Result<void> run_preload(const Options& options, const Surroundings& surroundings, Report& report) {
  const auto began = Steady::now();
  TIDEMARK_TRY(prepare_data(options, surroundings));
  report.add("preload_seconds", std::chrono::duration<double>(Steady::now() - began).count());
  ClaimStore store;
  TIDEMARK_TRY(store.open(data_directory(options), kIdentityWindow, options.keyset_memory_bytes));
  const keyset::KeySetStats stats = store.keyset->stats();
  report.add("segments", stats.segments);
  report.add("disk_bytes", stats.disk_bytes);
  return conclude(report, stats.claims == options.preloaded_claims,
                  "holds " + std::to_string(stats.claims) + " claims");
}

}  // namespace tidemark::bench
