#pragma once

#include <sqlite3.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "functions.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/sql/sqlite/database.hpp"

namespace tidemark::sql::sqlite {

/// One open SQLite handle with the settings that every session has, and the one place that reads its errors.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const Options& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  sqlite3* handle() const noexcept { return handle_; }

  /// Starts the time that the statements from here on may take together.
  void start_deadline() noexcept { deadline_ = std::chrono::steady_clock::now() + options_.statement_timeout; }

  /// Runs statements that answer nothing.
  Result<void> run(const char* statements);

  /// What `code`, which a call on this handle has just answered, means.
  Error error(int code);

 private:
  explicit Connection(const Options& options) : options_(options) {}
  Result<void> set_up();
  Result<void> refuse_foreign();
  Result<std::string> read_one(const char* query);
  static int check_deadline(void* self) noexcept;

  const Options options_;
  std::chrono::steady_clock::time_point deadline_{};
  FunctionState functions_;
  sqlite3* handle_ = nullptr;
};

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

}  // namespace tidemark::sql::sqlite
