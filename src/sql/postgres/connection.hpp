#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "encoding.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::sql::postgres {

/// The rows or the outcome of one statement.
class Answer {
 public:
  explicit Answer(PGresult* result) : result_(result) {}

  int rows() const noexcept { return PQntuples(result_.get()); }
  int columns() const noexcept { return PQnfields(result_.get()); }
  bool is_null(int row, int column) const noexcept { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string_view bytes(int row, int column) const noexcept {
    return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  Oid oid(int column) const noexcept { return static_cast<Oid>(PQftype(result_.get(), column)); }
  /// Such as `COMMIT` or `INSERT 0 5`.
  std::string_view tag() const noexcept { return PQcmdStatus(result_.get()); }
  std::int64_t affected_rows() const;
  /// The type of parameter `index` of a described statement.
  Oid parameter_oid(int index) const noexcept { return static_cast<Oid>(PQparamtype(result_.get(), index)); }

 private:
  struct Clear {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

/// Binary parameters of one execution.
class Parameters {
 public:
  void add(std::string bytes) { values_.emplace_back(false, std::move(bytes)); }
  void add_null() { values_.emplace_back(true, std::string()); }
  std::size_t size() const noexcept { return values_.size(); }
  const char* data(std::size_t i) const noexcept { return values_[i].first ? nullptr : values_[i].second.data(); }
  int length(std::size_t i) const noexcept { return static_cast<int>(values_[i].second.size()); }

 private:
  std::vector<std::pair<bool, std::string>> values_;  // NULL or not, and the bytes.
};

/// A statement that the server has parsed, for this connection.
struct Prepared {
  std::string name;
  std::vector<Oid> parameter_types;
};

/// libpq without a call that can block: each ends by its deadline with kTimeout, and then the connection is broken for
/// good. *Limits*: the look-up of a host's name is the resolver's and may take its time.
class Connection {
 public:
  /// keyword=value pairs as PQconnectStartParams takes them.
  using Settings = std::vector<std::pair<std::string, std::string>>;

  /// Connects within `connect_timeout`; later calls may each take `call_timeout`.
  static Result<std::unique_ptr<Connection>> open(const Settings& settings, microseconds connect_timeout,
                                                  microseconds call_timeout);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Runs text without parameters, which may hold several statements; answers the last one's outcome.
  Result<Answer> run(const std::string& statements);
  /// Parses a statement whose placeholders are `$n`, once per connection. The server infers each type that is kUnknown.
  /// What it returns lives until the next call of prepare() or forget_statements().
  Result<const Prepared*> prepare(const std::string& statement, const std::vector<Oid>& types);
  /// Drops all prepared statements, here and on the server.
  Result<void> forget_statements();
  /// Runs a prepared statement; parameters and results are binary.
  Result<Answer> run(const Prepared& prepared, const Parameters& parameters);

  /// False once the connection is lost or a deadline has passed.
  bool is_usable() const noexcept { return !broken_ && PQstatus(handle_) == CONNECTION_OK; }
  bool in_transaction() const noexcept { return PQtransactionStatus(handle_) != PQTRANS_IDLE; }
  int server_version() const noexcept { return PQserverVersion(handle_); }

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  Connection(PGconn* handle, microseconds call_timeout) : handle_(handle), call_timeout_(call_timeout) {}
  Result<void> establish(Deadline deadline);
  /// Waits until the socket is ready for `events` of poll(); kTimeout past the deadline.
  Result<void> await(short events, Deadline deadline);
  /// Sends what is queued and reads the outcome, given what the PQsend call said.
  Result<Answer> finish(int sent);
  Result<void> flush(Deadline deadline);
  Result<void> await_answer(Deadline deadline);
  Error lost();

  PGconn* const handle_;
  const microseconds call_timeout_;
  std::unordered_map<std::string, Prepared> prepared_;
  std::uint64_t next_statement_ = 0;
  bool broken_ = false;
};

}  // namespace tidemark::sql::postgres
