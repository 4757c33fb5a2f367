#include "connection.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "sqlstate.hpp"

namespace tidemark::sql::postgres {
namespace {

/// Statements kept parsed on one connection; the domain modules have some dozens.
constexpr std::size_t kMaxPrepared = 128;

std::chrono::steady_clock::time_point in(microseconds duration) {
  return std::chrono::steady_clock::now() + duration;
}

/// The key of a prepared statement: its text and the types that were given with it.
std::string cache_key(const std::string& statement, const std::vector<Oid>& types) {
  std::string key = statement;
  for (const Oid type : types) key.append(1, '\0').append(std::to_string(static_cast<std::uint32_t>(type)));
  return key;
}

Error refused(const PGresult* result) {
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  if (sqlstate == nullptr) return {Errc::kConnectionLost, "the connection to PostgreSQL was lost"};
  return refused_statement(sqlstate, message == nullptr ? "" : message);
}

}  // namespace

std::int64_t Answer::affected_rows() const {
  const std::string_view text = PQcmdTuples(result_.get());
  std::int64_t rows = 0;
  std::from_chars(text.data(), text.data() + text.size(), rows);
  return rows;
}

Result<std::unique_ptr<Connection>> Connection::open(const Settings& settings, microseconds connect_timeout,
                                                     microseconds call_timeout) {
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : settings) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* handle = PQconnectStartParams(names.data(), values.data(), 0);
  if (handle == nullptr) return fail(Errc::kUnavailable, "cannot connect to PostgreSQL: out of memory");
  std::unique_ptr<Connection> connection(new Connection(handle, call_timeout));
  PQsetErrorVerbosity(handle, PQERRORS_VERBOSE);  // So that a refusal shows its SQLSTATE.
  TIDEMARK_TRY(connection->establish(in(connect_timeout)));
  PQsetErrorVerbosity(handle, PQERRORS_DEFAULT);
  PQsetNoticeProcessor(handle, [](void*, const char*) {}, nullptr);  // "relation exists, skipping" and its like.
  PQsetnonblocking(handle, 1);
  return connection;
}

Connection::~Connection() {
  PQfinish(handle_);
}

Result<void> Connection::establish(Deadline deadline) {
  if (PQstatus(handle_) == CONNECTION_BAD) return fail(refused_connection(PQerrorMessage(handle_)));
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED) {
      const Error error = refused_connection(PQerrorMessage(handle_));
      return fail(PQconnectionNeedsPassword(handle_) != 0 ? Error(Errc::kUnauthenticated, error.message()) : error);
    }
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (auto ready = await(events, deadline); !ready) {
      return fail(ready.error().with_context("cannot connect to PostgreSQL"));
    }
    state = PQconnectPoll(handle_);
  }
  return {};
}

Result<void> Connection::await(short events, Deadline deadline) {
  pollfd socket{PQsocket(handle_), events, 0};
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    const int ready = left <= 0 ? 0 : poll(&socket, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail(lost());
    if (left <= 0) {
      broken_ = true;
      return fail(Errc::kTimeout, "no answer from PostgreSQL within the time-out");
    }
  }
}

Error Connection::lost() {
  broken_ = true;
  std::string_view message = PQerrorMessage(handle_);
  return {Errc::kConnectionLost,
          "the connection to PostgreSQL was lost: " + std::string(message.substr(0, message.find('\n')))};
}

Result<void> Connection::flush(Deadline deadline) {
  for (;;) {
    const int left = PQflush(handle_);
    if (left == 0) return {};
    if (left < 0) return fail(lost());
    // The server may want to be read from before it reads on.
    TIDEMARK_TRY(await(POLLIN | POLLOUT, deadline));
    if (PQconsumeInput(handle_) == 0) return fail(lost());
  }
}

Result<void> Connection::await_answer(Deadline deadline) {
  while (PQisBusy(handle_) != 0) {
    TIDEMARK_TRY(await(POLLIN, deadline));
    if (PQconsumeInput(handle_) == 0) return fail(lost());
  }
  return {};
}

Result<Answer> Connection::finish(int sent) {
  if (sent == 0 || broken_) return fail(lost());
  const Deadline deadline = in(call_timeout_);
  TIDEMARK_TRY(flush(deadline));
  // All results must be taken before the next statement; the first error is the one that counts.
  Answer last(nullptr);
  std::optional<Error> error;
  for (;;) {
    TIDEMARK_TRY(await_answer(deadline));
    PGresult* result = PQgetResult(handle_);
    if (result == nullptr) break;
    last = Answer(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY && !error) {
      error = refused(result);
    }
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      broken_ = true;  // No statement of ours copies; without its protocol the results would never end.
      return fail(Errc::kInternal, "a COPY statement can't be run here");
    }
  }
  if (PQstatus(handle_) != CONNECTION_OK) broken_ = true;
  if (error) return fail(std::move(*error));
  return last;
}

Result<Answer> Connection::run(const std::string& statements) {
  return finish(broken_ ? 0 : PQsendQuery(handle_, statements.c_str()));
}

Result<void> Connection::forget_statements() {
  if (prepared_.empty()) return {};
  TIDEMARK_TRY(run("DEALLOCATE ALL"));
  prepared_.clear();
  return {};
}

Result<const Prepared*> Connection::prepare(const std::string& statement, const std::vector<Oid>& types) {
  std::string key = cache_key(statement, types);
  if (const auto found = prepared_.find(key); found != prepared_.end()) return &found->second;
  if (prepared_.size() >= kMaxPrepared) TIDEMARK_TRY(forget_statements());
  Prepared prepared{"s" + std::to_string(next_statement_++), types};
  static_assert(sizeof(Oid) == sizeof(::Oid));
  TIDEMARK_TRY(
      finish(broken_ ? 0
                     : PQsendPrepare(handle_, prepared.name.c_str(), statement.c_str(), static_cast<int>(types.size()),
                                     reinterpret_cast<const ::Oid*>(types.data()))));
  if (std::find(types.begin(), types.end(), Oid::kUnknown) != types.end()) {
    TIDEMARK_TRY_ASSIGN(const Answer described,
                        finish(broken_ ? 0 : PQsendDescribePrepared(handle_, prepared.name.c_str())));
    for (std::size_t i = 0; i < types.size(); ++i) {
      prepared.parameter_types[i] = described.parameter_oid(static_cast<int>(i));
    }
  }
  return &prepared_.emplace(std::move(key), std::move(prepared)).first->second;
}

Result<Answer> Connection::run(const Prepared& prepared, const Parameters& parameters) {
  const std::size_t count = parameters.size();
  std::vector<const char*> values(count);
  std::vector<int> lengths(count);
  const std::vector<int> formats(count, 1);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = parameters.data(i);
    lengths[i] = parameters.length(i);
  }
  return finish(broken_ ? 0
                        : PQsendQueryPrepared(handle_, prepared.name.c_str(), static_cast<int>(count), values.data(),
                                              lengths.data(), formats.data(), 1));
}

}  // namespace tidemark::sql::postgres
