#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/base/clock.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/sql/batch.hpp"
#include "tidemark/sql/dialect.hpp"
#include "tidemark/sql/types.hpp"

namespace tidemark::sql {

/// Rows of a query, small: bulk reads go through Session::read_by_key.
using Row = std::vector<Value>;
using Rows = std::vector<Row>;

/// One connection to a database. *Concurrency*: one thread at a time. After any error of a call inside a transaction
/// the caller rolls back and drops the session; it never repeats a statement within the transaction. Every call ends
/// within the configured statement time-out, with kTimeout.
class Session {
 public:
  virtual ~Session() = default;

  virtual const Dialect& dialect() const noexcept = 0;

  /// Begins a write transaction: SQLite BEGIN IMMEDIATE; PostgreSQL and MariaDB READ COMMITTED.
  virtual Result<void> begin() = 0;
  /// On kConnectionLost or kTimeout whether the transaction took effect is unknown: read the cursor back.
  virtual Result<void> commit() = 0;
  /// Undoes the transaction; harmless when none is open or the connection is gone.
  virtual void rollback() noexcept = 0;

  /// Runs one statement. Parameters are written `?` in `statement` whatever the database, typed by `Value`.
  /// Returns the number of rows that it matched (not: changed).
  virtual Result<std::int64_t> execute(std::string_view statement, std::span<const Value> parameters = {}) = 0;
  /// Runs one query; `types` says how each result column is to be read.
  virtual Result<Rows> query(std::string_view statement, std::span<const Value> parameters,
                             std::span<const Type> types) = 0;

  /// Inserts the batch's rows, merging each with the row of the same key if there is one. Keys must be distinct within
  /// the batch and sorted by bytes. Splits into statements of bounded size by itself. Errors: kOverflow,
  /// kDataRejected (a value), kContention, kTimeout, kConnectionLost, kReadOnly, kDiskFull.
  virtual Result<void> upsert(const UpsertShape& shape, const Batch& batch) = 0;

  /// Inserts the rows whose key isn't there yet; inserted[i] tells which were. Keys distinct and sorted as for upsert.
  virtual Result<void> insert_missing(const UpsertShape& shape, const Batch& batch, std::vector<bool>& inserted) = 0;

  /// Reads the value columns of the rows whose keys `keys` holds (its first columns, in shape order): answers a row for
  /// each key, empty where there is none.
  virtual Result<std::vector<std::optional<Row>>> read_by_key(const UpsertShape& shape, const Batch& keys) = 0;
};

/// A database that sessions are opened on. *Concurrency*: connect() from any thread.
class Database {
 public:
  virtual ~Database() = default;
  /// Opens a session, ready to use: time zone UTC, isolation, time-outs. Errors: kUnavailable, kUnauthenticated,
  /// kTimeout, kRefused (a server that can't be used, with the remedy).
  virtual Result<std::unique_ptr<Session>> connect() = 0;
  /// The URL without its password, for logs.
  virtual std::string display_name() const = 0;
  virtual const Dialect& dialect() const noexcept = 0;

  /// Runs `migrate` on a session that holds the database's advisory lock of this schema, so that two servers that start
  /// at once take turns. Waits for the lock up to the lock time-out, then fails with kLocked. The session isn't in a
  /// transaction: `migrate` may begin and commit its own, and leaves none open.
  virtual Result<void> with_migration_lock(const std::function<Result<void>(Session&)>& migrate) = 0;
};

}  // namespace tidemark::sql
