#include "server.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>

#include "data_directory.hpp"
#include "definitions.hpp"
#include "exit_code.hpp"
#include "housekeeping.hpp"
#include "increment_reads.hpp"
#include "open_database.hpp"
#include "signal_waiter.hpp"
#include "tidemark/arrivals/arrivals.hpp"
#include "tidemark/base/logging.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/flow/applied_note.hpp"
#include "tidemark/flow/log_flow.hpp"
#include "tidemark/ingest_http/ingest_routes.hpp"
#include "tidemark/meters/totals.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::app {

int exit_code(const Error& error) noexcept {
  switch (error.code()) {
    case Errc::kInvalidArgument:
      return kExitUsage;
    case Errc::kLocked:
    case Errc::kRefused:
    case Errc::kCorrupt:
    case Errc::kUnsupported:
      return kExitUnusable;
    default:
      return kExitFailed;
  }
}

namespace {

/// Tells the time of arrivals, which watermarks are measured in.
class ArrivalTime final : public Clock {
 public:
  ArrivalTime(const arrivals::Arrivals& arrivals, Clock& clock) : arrivals_(arrivals), clock_(clock) {}
  Timestamp now() noexcept override { return arrivals_.now(); }
  MonotonicTime monotonic() noexcept override { return clock_.monotonic(); }

 private:
  const arrivals::Arrivals& arrivals_;
  Clock& clock_;
};

}  // namespace

struct Server::Impl {
  Impl(const config::Settings& s, FileSystem& f, Clock& c, Random& r) : settings(s), files(f), clock(c), random(r) {}

  Result<void> open_arrivals();
  Result<void> make_flow();
  Result<void> put_meters_into_force();
  void start_flow();
  Result<void> start_doors();
  ingest_http::Readiness readiness() const;

  const config::Settings settings;
  FileSystem& files;
  Clock& clock;
  Random& random;
  Metrics metrics;

  // In the order in which they start; destroyed the other way round.
  std::unique_ptr<DataDirectory> directory;
  std::unique_ptr<sql::Database> database;
  std::unique_ptr<arrivals::Arrivals> arrivals;
  std::unique_ptr<ArrivalTime> arrival_time;
  std::unique_ptr<meters::TotalsFold> fold;
  std::unique_ptr<flow::AppliedNote> note;
  std::unique_ptr<flow::LogFlow> flow;
  std::unique_ptr<IncrementReads> increment_reads;
  std::unique_ptr<ingest_http::IngestRoutes> routes;
  std::unique_ptr<net::HttpServer> http;
  std::unique_ptr<flow::FlowThread> flow_thread;
  std::unique_ptr<Housekeeping> housekeeping;

  MonotonicTime started_at{};
  std::atomic<bool> failed{false};
};

Server::Server(const config::Settings& settings, FileSystem& files, Clock& clock, Random& random)
    : impl_(std::make_unique<Impl>(settings, files, clock, random)) {}

Server::~Server() {
  if (impl_ && impl_->arrivals) stop();
}

Result<void> Server::start() {
  Impl& impl = *impl_;
  impl.started_at = impl.clock.monotonic();
  TIDEMARK_TRY_ASSIGN(impl.directory, DataDirectory::open(impl.files, impl.settings.data));
  TIDEMARK_TRY_ASSIGN(impl.database, open_database(impl.settings, impl.files));
  TIDEMARK_TRY(impl.open_arrivals());
  TIDEMARK_TRY(impl.make_flow());
  TIDEMARK_TRY(impl.put_meters_into_force());
  TIDEMARK_TRY(impl.start_doors());
  impl.start_flow();
  return {};
}

Result<void> Server::Impl::open_arrivals() {
  arrivals::ArrivalsOptions options;
  options.directory = settings.data;
  options.identity_window = settings.identity_window;
  options.max_event_age = settings.max_event_age;
  options.max_future_skew = settings.max_future_skew;
  options.log_segment_bytes = settings.log_segment_bytes;
  options.keyset_memory_bytes = settings.keyset_memory_bytes;
  options.backlog_max_bytes = settings.backlog_max_bytes;
  options.disk_reserve_bytes = settings.disk_reserve_bytes;
  arrivals::ArrivalsReport report;
  TIDEMARK_TRY_ASSIGN(arrivals, arrivals::Arrivals::open(files, clock, random, metrics, options, report));
  logging::info("opened the log", {{"data", settings.data},
                                   {"new", report.log.created ? "yes" : "no"},
                                   {"first", report.log.first_offset},
                                   {"end", report.log.end_offset},
                                   {"torn_bytes_cut", report.log.torn_bytes_cut},
                                   {"claims", report.keyset.claims},
                                   {"claims_from_tail", report.restored_claims}});
  for (const log::Damage& damage : report.log.damage) {
    logging::error("the log is damaged; these records become a dead letter",
                   {{"first", damage.first}, {"end", damage.end}, {"detail", damage.detail}});
  }
  if (!report.clock_warning.empty()) logging::warning("clock", {{"detail", report.clock_warning}});
  return {};
}

/// Makes the flow and has it look at the database once: a database that belongs to another log, or to another copy of
/// this one, ends the start. One that can't be reached doesn't.
Result<void> Server::Impl::make_flow() {
  arrival_time = std::make_unique<ArrivalTime>(*arrivals, clock);
  fold = std::make_unique<meters::TotalsFold>(settings.max_event_age, [this] { return arrivals->trusted(); }, metrics);
  flow::LogFlowOptions options;
  options.flush_interval = settings.flush_interval;
  note = std::make_unique<flow::AppliedNote>(files, settings.data + "/totals.applied", arrivals->log());
  options.noted = note->read();
  flow = std::make_unique<flow::LogFlow>(options, arrivals->log(), *database, *fold, *arrival_time, random, metrics);
  arrivals->set_applied([this] { return flow->applied_offset(); }, [this] { return flow->backlog_offset(); });
  flow->step();
  const flow::FlowStatus status = flow->status();
  if (status.state == flow::FlowState::kRefused) return fail(Errc::kRefused, status.reason);
  return {};
}

namespace {

/// A slug keeps what its rows are made of.
Result<void> check_changes(const std::string& in_force, const std::vector<meters::Definition>& wanted) {
  TIDEMARK_TRY_ASSIGN(const std::vector<meters::Definition> before, meters::decode_definitions(in_force));
  std::string all;
  for (const std::string& change : meters::refused_changes(before, wanted)) all.append("; ").append(change);
  if (all.empty()) return {};
  return fail(Errc::kInvalidArgument,
              "a changed meter can't go on with the rows that it has: give it a new slug, or change it back" + all);
}

}  // namespace

/// Starts the committer, and writes the meters into the log if they differ from those in force there.
Result<void> Server::Impl::put_meters_into_force() {
  std::vector<std::string> problems;
  auto definitions = definitions_of(settings, "configuration", problems);
  if (!definitions) return fail(std::move(definitions).error());
  const std::string wanted = meters::encode_definitions(*definitions);

  auto reader = arrivals->log().reader();
  TIDEMARK_TRY(reader->seek(arrivals->log().synced_end()));
  const auto in_force = reader->sticky().find(log::RecordKind::kDefinitions);
  const bool is_first = in_force == reader->sticky().end();
  const bool same = !is_first && in_force->second == wanted;
  if (!is_first) TIDEMARK_TRY(check_changes(in_force->second, *definitions));

  arrivals->start([this](const Error& error) {
    logging::error("the log failed; the process ends, since a second try could lie", {{"error", error}});
    failed = true;
    wake_waiter();
  });
  if (same) return {};
  TIDEMARK_TRY(arrivals->append_control(log::RecordKind::kDefinitions, wanted));
  logging::info("meters in force from here on", {{"meters", definitions->size()}});
  return {};
}

/// After the doors: a start that finds its address in use then has nothing to bring to the database, and ends at once.
void Server::Impl::start_flow() {
  flow_thread = std::make_unique<flow::FlowThread>(*flow);
  flow_thread->start();
  housekeeping = std::make_unique<Housekeeping>(files, *arrivals, *flow, *note, settings.data, settings.log_retention);
  housekeeping->start();
}

Result<void> Server::Impl::start_doors() {
  increment_reads = std::make_unique<IncrementReads>(*database, arrivals->log().id().to_string());
  increment_reads->start();

  ingest_http::IngestPorts ports;
  ports.admits = [this](const arrivals::Submission& submission) { return arrivals->admits(submission); };
  ports.submit = [this](std::span<arrivals::Submission* const> submissions) { return arrivals->submit(submissions); };
  ports.arrival_time = [this] { return arrivals->now(); };
  ports.post = [this](std::size_t thread, std::function<void()> task) { http->post(thread, std::move(task)); };
  ports.readiness = [this] { return readiness(); };
  ports.increments = increment_reads.get();
  ports.clock = &clock;

  ingest_http::IngestOptions options;
  options.io_threads = static_cast<std::size_t>(settings.io_threads);
  options.fingerprint_key = arrivals->fingerprint_key();
  options.max_future_skew = settings.max_future_skew;
  routes = std::make_unique<ingest_http::IngestRoutes>(std::move(ports), options, metrics);

  net::HttpServerOptions server;
  server.host = settings.listen.host;
  server.port = settings.listen.port;
  server.io_threads = options.io_threads;
  server.max_body_bytes = settings.max_body_bytes;
  server.max_connections = static_cast<std::size_t>(settings.max_connections);
  http = std::make_unique<net::HttpServer>(server, *routes, metrics);
  if (auto started = http->start(); !started) {
    const Error& error = started.error();
    return fail(error.code(),
                error.message() + "; --listen HOST:PORT names another address, port 0 takes any free one");
  }
  return {};
}

ingest_http::Readiness Server::Impl::readiness() const {
  ingest_http::Readiness readiness;
  if (const arrivals::DoorState doors = arrivals->doors(); !doors.open()) {
    readiness.refusing.emplace_back(doors.text());
  }
  const flow::FlowStatus status = flow->status();
  const bool has_work = status.backlog_bytes > 0;
  if (has_work && clock.monotonic() - std::max(status.last_attempt, started_at) > settings.stall_timeout) {
    readiness.refusing.push_back("the flow totals has made no attempt for longer than stall_timeout");
  }
  if (status.state == flow::FlowState::kDegraded || status.state == flow::FlowState::kRefused) {
    readiness.degraded.push_back("the flow totals: " + status.reason);
  }
  return readiness;
}

std::string Server::url() const {
  const std::string& host = impl_->settings.listen.host;
  const bool bracketed = host.find(':') != std::string::npos;
  return "http://" + (bracketed ? "[" + host + "]" : host) + ":" + std::to_string(impl_->http->port());
}

int Server::stop() {
  Impl& impl = *impl_;
  const MonotonicTime deadline = impl.clock.monotonic() + impl.settings.shutdown_timeout;
  const auto left = [&] { return std::max(microseconds(0), deadline - impl.clock.monotonic()); };
  // Half of the time for requests under way; the log and the database share the rest.
  if (impl.http) impl.http->stop(left() / 2);
  if (impl.increment_reads) impl.increment_reads->stop();
  if (impl.housekeeping) impl.housekeeping->stop();
  if (impl.arrivals) impl.arrivals->stop();
  if (impl.flow_thread && !impl.flow->caught_up() && !impl.failed) {
    logging::info("bringing the database up to date; a second signal leaves at once",
                  {{"at_most_ms", left() / milliseconds(1)}, {"backlog_bytes", impl.arrivals->backlog_bytes()}});
  }
  const bool applied_all = !impl.flow_thread || impl.flow_thread->stop(impl.failed ? microseconds(0) : left());
  if (impl.housekeeping && !impl.failed) impl.housekeeping->note_applied();
  if (!applied_all) {
    logging::warning("not everything is in the database yet; the next start goes on from the log",
                     {{"backlog_bytes", impl.arrivals->backlog_bytes()}});
    // A call to the database may hang for longer than there is time: nothing waits for it.
    logging::flush();
    std::_Exit(impl.failed ? kExitFailed : 0);
  }
  impl.http.reset();
  impl.routes.reset();
  impl.flow_thread.reset();
  impl.flow.reset();
  impl.arrivals.reset();
  return impl.failed ? kExitFailed : 0;
}

}  // namespace tidemark::app
