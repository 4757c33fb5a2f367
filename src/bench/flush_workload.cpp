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
constexpr std::uint64_t kRowsAStatement = 1'000;
constexpr std::uint64_t kEventsARecord = 1'000;
constexpr int kLeastRounds = 2;                             ///< Of updates, after the round that inserts.
constexpr std::int64_t kEventTime = 1'714'564'800'000'000;  // 2024-05-01T12:00:00Z

std::string subject_of(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return "s-" + std::string(8 - std::min<std::size_t>(8, digits.size()), '0') + digits;
}

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

  /// Adds one event of amount 1 to each of `keys` totals, in the order of their keys, in one transaction.
  Result<void> run(sql::Session& session, std::uint64_t keys) {
    TIDEMARK_TRY(session.begin());
    for (std::uint64_t key = 0; key < keys;) {
      statement_ = begin_;
      for (std::uint64_t row = 0; row < kRowsAStatement && key < keys; ++row, ++key) {
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
  Result<void> append_events();
  Result<double> flow_seconds();
  Result<double> by_hand_seconds(HandWritten& by_hand, sql::Session& session);
  Result<void> check(sql::Session& session, int rounds);

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

/// Puts one event for each key into the log.
Result<void> FlushRun::append_events() {
  std::string payload;
  for (std::uint64_t key = 0; key < options_.keys;) {
    const std::uint64_t end = std::min(options_.keys, key + kEventsARecord);
    payload.clear();
    arrivals::encode_record_head(payload, "default", static_cast<std::uint32_t>(end - key));
    for (; key < end; ++key) {
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

Result<double> FlushRun::by_hand_seconds(HandWritten& by_hand, sql::Session& session) {
  const auto began = Steady::now();
  TIDEMARK_TRY(by_hand.run(session, options_.keys));
  return std::chrono::duration<double>(Steady::now() - began).count();
}

Result<void> FlushRun::check(sql::Session& session, int rounds) {
  const std::string statement =
      "SELECT SUM(events), SUM(value) FROM " + session.dialect().table("tidemark_totals") + " WHERE meter = ?";
  const std::array<sql::Type, 2> types = {sql::Type::kDecimal, sql::Type::kDecimal};
  const std::string expected = std::to_string(options_.keys * static_cast<std::uint64_t>(rounds));
  std::string told = "expected " + expected;
  bool holds = true;
  for (const std::string_view meter : {kMeter, kByHand}) {
    const std::array<sql::Value, 1> parameters = {std::string(meter)};
    TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(statement, parameters, types));
    for (const sql::Value& value : rows[0]) {
      const auto* number = std::get_if<Decimal>(&value);
      const std::string found = number == nullptr ? "nothing" : number->to_string();
      holds = holds && found == expected;
      told.append(", ").append(meter).append(" ").append(found);
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
  const auto keys = static_cast<double>(options_.keys);
  double flow_updates = 0;
  double hand_updates = 0;
  int rounds = 0;
  const auto began = Steady::now();
  while (rounds <= kLeastRounds || Steady::now() < began + options_.measured) {
    TIDEMARK_TRY(append_events());
    // The one that goes first changes with each round, so that neither always finds the other's pages warm.
    double flow = 0;
    double hand = 0;
    if (rounds % 2 == 0) {
      TIDEMARK_TRY_ASSIGN(flow, flow_seconds());
    }
    TIDEMARK_TRY_ASSIGN(hand, by_hand_seconds(by_hand, *session));
    if (rounds % 2 != 0) {
      TIDEMARK_TRY_ASSIGN(flow, flow_seconds());
    }
    if (rounds++ == 0) {
      report_.add("insert_rows_per_second", keys / flow);
      report_.add("insert_by_hand_rows_per_second", keys / hand);
      report_.add("insert_ratio", hand / flow);
    } else {
      flow_updates += flow;
      hand_updates += hand;
    }
  }
  report_.add("update_rounds", static_cast<std::uint64_t>(rounds - 1));
  report_.add("update_rows_per_second", keys * (rounds - 1) / flow_updates);
  report_.add("update_by_hand_rows_per_second", keys * (rounds - 1) / hand_updates);
  report_.add("update_ratio", hand_updates / flow_updates);
  return check(*session, rounds);
}

}  // namespace

Result<void> run_flush(const Options& options, const Surroundings& surroundings, Report& report) {
  const std::string url = options.database.empty() ? "sqlite:" + options.directory + "/totals.db" : options.database;
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Database> database, surroundings.open_database(url));
  return FlushRun(options, *database, report).run();
}

}  // namespace tidemark::bench
