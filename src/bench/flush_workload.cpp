#include <algorithm>
#include <array>
#include <chrono>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/clock.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/random.hpp"
#include "tidemark/flow/log_flow.hpp"
#include "tidemark/log/log.hpp"
#include "tidemark/meters/totals.hpp"
#include "workloads.hpp"

namespace tidemark::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::string_view kByHand = "by_hand";
constexpr std::array<std::string_view, 2> kMeters = {kMeter, kByHand};
constexpr std::uint64_t kRowsAStatement = 1'000;
constexpr std::uint64_t kEventsARecord = 1'000;
constexpr int kRoundsARange = 4;  ///< With the same keys: one inserts, the others update.
constexpr int kLeastRounds = 2 * kRoundsARange;
constexpr std::int64_t kEventTime = 1'714'564'800'000'000;  // 2024-05-01T12:00:00Z

std::string subject_of(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return "s-" + std::string(8 - std::min<std::size_t>(8, digits.size()), '0') + digits;
}

/// Rows a second, a value for each round.
struct Rates {
  std::vector<double> flow;
  std::vector<double> by_hand;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// What the table holds of one meter.
struct Stored {
  std::int64_t rows = 0;
  std::int64_t events = 0;
  std::int64_t value = 0;
};

/// The statement that somebody would write who adds to many totals at once.
class HandWritten {
 public:
  explicit HandWritten(const sql::Dialect& dialect) {
    const bool mysql = dialect.engine() == sql::Engine::kMysql;
    const std::string table = dialect.table("tidemark_totals");
    begin_ = "INSERT INTO " + table +
             " (tenant, meter, subject, group_hash, window_size, window_start, group_values, value, sum, events,"
             " first_time, last_time, updated_at) VALUES ";
    const std::string hash(32, '0');
    const std::string epoch = mysql ? "'1970-01-01 00:00:00.000000'" : "'1970-01-01T00:00:00.000000Z'";
    const std::string time = mysql ? "'2024-05-01 12:00:00.000000'" : "'2024-05-01T12:00:00.000000Z'";
    row_begin_ = "('default', '" + std::string(kByHand) + "', '";
    row_end_ = "', " + (dialect.engine() == sql::Engine::kPostgres ? "'\\x" + hash + "'" : "X'" + hash + "'") +
               ", 'TOTAL', " + epoch + ", '{}', 1, NULL, 1, " + time + ", " + time + ", " + time + ")";
    const auto given = [&](const std::string& column) {
      return mysql ? "VALUES(" + column + ")" : "excluded." + column;
    };
    const auto stored = [&](const std::string& column) { return mysql ? column : table + "." + column; };
    end_ = mysql ? " ON DUPLICATE KEY UPDATE "
                 : " ON CONFLICT (tenant, meter, subject, group_hash, window_size, window_start) DO UPDATE SET ";
    end_ += "value = " + stored("value") + " + " + given("value") + ", events = " + stored("events") + " + " +
            given("events") + ", last_time = " + given("last_time") + ", updated_at = " + given("updated_at");
  }

  /// Adds one event of amount 1 to each of the totals [key, end), in the order of their keys, in one transaction.
  Result<void> run(sql::Session& session, std::uint64_t key, std::uint64_t end) {
    TIDEMARK_TRY(session.begin());
    while (key < end) {
      statement_ = begin_;
      for (std::uint64_t row = 0; row < kRowsAStatement && key < end; ++row, ++key) {
        if (row > 0) statement_ += ',';
        statement_.append(row_begin_).append(subject_of(key)).append(row_end_);
      }
      statement_ += end_;
      TIDEMARK_TRY(session.execute(statement_));
    }
    return session.commit();
  }

 private:
  std::string begin_;
  std::string row_begin_;
  std::string row_end_;
  std::string end_;
  std::string statement_;
};

class FlushRun {
 public:
  FlushRun(const Options& options, sql::Database& database, Report& report)
      : options_(options),
        database_(database),
        report_(report),
        fold_(std::chrono::hours(24 * 31), [this] { return clock_.now(); }, metrics_) {}
  Result<void> run();

 private:
  Result<void> open();
  Result<void> append_events(std::uint64_t key, std::uint64_t end);
  Result<double> flow_seconds();
  Result<void> round(int number, HandWritten& by_hand, sql::Session& session, Rates& rates);
  void report(std::string_view kind, const Rates& rates);
  Result<Stored> stored(sql::Session& session, std::string_view meter) const;
  Result<void> check(sql::Session& session, const std::array<Stored, 2>& before, int rounds);

  const Options& options_;
  sql::Database& database_;
  Report& report_;
  PosixFileSystem files_;
  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  std::unique_ptr<log::Log> log_;
  meters::TotalsFold fold_;
  std::unique_ptr<flow::LogFlow> flow_;
  log::GroupBuilder group_;
  std::uint64_t first_key_ = 0;  ///< Of the range that the next rounds are about.
};

Result<void> FlushRun::open() {
  log::LogOptions log_options;
  log_options.directory = options_.directory + "/log";
  log::RecoveryReport recovery;
  TIDEMARK_TRY_ASSIGN(log_, log::Log::open(files_, clock_, random_, metrics_, log_options, recovery));
  meters::DefinitionSource source;
  source.slug = kMeter;
  source.event_type = "bench.use";
  source.aggregation = "SUM";
  source.value_property = "$.amount";
  source.windows = {"TOTAL"};
  std::vector<std::string> problems;
  TIDEMARK_TRY_ASSIGN(const auto definitions, meters::make_definitions({source}, problems));
  group_.reset(std::max(clock_.now(), log_->last_arrival()));
  group_.add(log::RecordKind::kDefinitions, as_bytes(meters::encode_definitions(definitions)));
  TIDEMARK_TRY(log_->commit(group_));
  flow_ = std::make_unique<flow::LogFlow>(flow::LogFlowOptions{}, *log_, database_, fold_, clock_, random_, metrics_);
  TIDEMARK_TRY(flow_seconds());  // Makes the tables.
  return {};
}

/// Puts one event for each of the keys [key, end) into the log.
Result<void> FlushRun::append_events(std::uint64_t key, std::uint64_t end) {
  std::string payload;
  while (key < end) {
    const std::uint64_t record_end = std::min(end, key + kEventsARecord);
    payload.clear();
    arrivals::encode_record_head(payload, "default", static_cast<std::uint32_t>(record_end - key));
    for (; key < record_end; ++key) {
      const std::string subject = subject_of(key);
      arrivals::Event event;
      event.time = from_micros(kEventTime);
      event.id = subject;
      event.source = "bench";
      event.type = "bench.use";
      event.subject = subject;
      event.data = R"({"amount":1})";
      arrivals::encode_event(payload, event);
    }
    group_.reset(std::max(clock_.now(), log_->last_arrival()));
    group_.add(log::RecordKind::kEvents, as_bytes(payload));
    TIDEMARK_TRY(log_->commit(group_));
  }
  return {};
}

/// Has the flow apply what the log holds.
Result<double> FlushRun::flow_seconds() {
  const auto began = Steady::now();
  while (!flow_->caught_up()) {
    flow_->step(true);
    const flow::FlowStatus status = flow_->status();
    if (status.state == flow::FlowState::kDegraded || status.state == flow::FlowState::kRefused) {
      return fail(Errc::kInternal, "the flow stopped: " + status.reason);
    }
  }
  return std::chrono::duration<double>(Steady::now() - began).count();
}

/// The flow and the statement by hand, each with the same keys. The one that goes first changes with each round, so
/// that neither always finds the other's pages warm.
Result<void> FlushRun::round(int number, HandWritten& by_hand, sql::Session& session, Rates& rates) {
  const std::uint64_t end = first_key_ + options_.keys;
  const auto keys = static_cast<double>(options_.keys);
  TIDEMARK_TRY(append_events(first_key_, end));
  for (const bool flow_now : {number % 2 == 0, number % 2 != 0}) {
    if (flow_now) {
      TIDEMARK_TRY_ASSIGN(const double taken, flow_seconds());
      rates.flow.push_back(keys / taken);
    } else {
      const auto began = Steady::now();
      TIDEMARK_TRY(by_hand.run(session, first_key_, end));
      rates.by_hand.push_back(keys / std::chrono::duration<double>(Steady::now() - began).count());
    }
  }
  return {};
}

void FlushRun::report(std::string_view kind, const Rates& rates) {
  const std::string prefix(kind);
  const double flow = median(rates.flow);
  const double by_hand = median(rates.by_hand);
  report_.add(prefix + "_rounds", static_cast<std::uint64_t>(rates.flow.size()));
  report_.add(prefix + "_rows_per_second", flow);
  report_.add(prefix + "_by_hand_rows_per_second", by_hand);
  report_.add(prefix + "_ratio", flow / by_hand);
}

Result<Stored> FlushRun::stored(sql::Session& session, std::string_view meter) const {
  const std::string statement = "SELECT COUNT(*), COALESCE(SUM(events), 0), COALESCE(SUM(value), 0) FROM " +
                                session.dialect().table("tidemark_totals") + " WHERE meter = ?";
  const std::array<sql::Type, 3> types = {sql::Type::kDecimal, sql::Type::kDecimal, sql::Type::kDecimal};
  const std::array<sql::Value, 1> parameters = {std::string(meter)};
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(statement, parameters, types));
  const auto number = [&](std::size_t column) { return std::get<Decimal>(rows[0][column]).as_int64(); };
  return Stored{number(0), number(1), number(2)};
}

Result<void> FlushRun::check(sql::Session& session, const std::array<Stored, 2>& before, int rounds) {
  const auto added = static_cast<std::int64_t>(options_.keys) * rounds;
  std::string told = "expected " + std::to_string(added);
  bool holds = true;
  for (std::size_t i = 0; i < kMeters.size(); ++i) {
    TIDEMARK_TRY_ASSIGN(const Stored now, stored(session, kMeters[i]));
    for (const std::int64_t found : {now.events - before[i].events, now.value - before[i].value}) {
      holds = holds && found == added;
      told.append(", ").append(kMeters[i]).append(" ").append(std::to_string(found));
    }
  }
  return conclude(report_, holds, told);
}

Result<void> FlushRun::run() {
  report_.add("database", database_.display_name());
  report_.add("keys", options_.keys);
  TIDEMARK_TRY(open());
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Session> session, database_.connect());
  HandWritten by_hand(session->dialect());
  std::array<Stored, 2> before;
  for (std::size_t i = 0; i < kMeters.size(); ++i) {
    TIDEMARK_TRY_ASSIGN(before[i], stored(*session, kMeters[i]));
    first_key_ = std::max(first_key_, static_cast<std::uint64_t>(before[i].rows));
  }
  Rates inserts;
  Rates updates;
  int rounds = 0;
  for (const auto began = Steady::now(); rounds < kLeastRounds || Steady::now() < began + options_.measured; ++rounds) {
    const bool inserting = rounds % kRoundsARange == 0;
    if (inserting && rounds > 0) first_key_ += options_.keys;
    // Of the ranges too, each side goes first in turn.
    TIDEMARK_TRY(round(rounds + rounds / kRoundsARange, by_hand, *session, inserting ? inserts : updates));
  }
  report("insert", inserts);
  report("update", updates);
  return check(*session, before, rounds);
}

}  // namespace

Result<void> run_flush(const Options& options, const Surroundings& surroundings, Report& report) {
  const std::string url = options.database.empty() ? "sqlite:" + options.directory + "/totals.db" : options.database;
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Database> database, surroundings.open_database(url));
  return FlushRun(options, *database, report).run();
}

}  // namespace tidemark::bench
