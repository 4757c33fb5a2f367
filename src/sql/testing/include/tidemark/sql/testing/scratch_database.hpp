#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tidemark/sql/session.hpp"

namespace tidemark::sql::testing {

/// The URL of a server that tests/servers.sh runs, from the environment variable. Throws, with the way to start the
/// server, where the variable isn't set: a missing server fails a test, it never skips it.
std::string server_url(const char* variable);

/// A name for a schema or database that no other test, process or run uses.
std::string scratch_name();

/// A database that calls `drop` when it is destroyed; its sessions must be gone by then.
class ScratchDatabase final : public Database {
 public:
  ScratchDatabase(std::unique_ptr<Database> database, std::function<void()> drop)
      : database_(std::move(database)), drop_(std::move(drop)) {}
  ~ScratchDatabase() override { drop_(); }

  Result<std::unique_ptr<Session>> connect() override { return database_->connect(); }
  std::string display_name() const override { return database_->display_name(); }
  const Dialect& dialect() const noexcept override { return database_->dialect(); }
  Result<void> with_migration_lock(const std::function<Result<void>(Session&)>& migrate) override {
    return database_->with_migration_lock(migrate);
  }

 private:
  const std::unique_ptr<Database> database_;
  const std::function<void()> drop_;
};

}  // namespace tidemark::sql::testing
