#include "tidemark/sql/sqlite/database.hpp"

#include <thread>

#include "session.hpp"
#include "tidemark/base/file_system.hpp"

namespace tidemark::sql::sqlite {
namespace {

constexpr std::string_view kScheme = "sqlite:";
constexpr milliseconds kMigrationLockPoll{10};

class SqliteDatabase final : public Database {
 public:
  explicit SqliteDatabase(Options options) : options_(std::move(options)) {}

  Result<std::unique_ptr<Session>> connect() override {
    TIDEMARK_TRY_ASSIGN(std::unique_ptr<Connection> connection, Connection::open(options_));
    return std::make_unique<SqliteSession>(std::move(connection));
  }

  std::string display_name() const override { return std::string(kScheme) + options_.path; }
  const Dialect& dialect() const noexcept override { return dialect_; }

  Result<void> with_migration_lock(const std::function<Result<void>(Session&)>& migrate) override {
    TIDEMARK_TRY_ASSIGN(const std::unique_ptr<FileLock> lock, take_migration_lock());
    TIDEMARK_TRY_ASSIGN(const std::unique_ptr<Session> session, connect());
    return migrate(*session);
  }

 private:
  /// A lock of the database itself would have to be a transaction, and a migration needs several.
  Result<std::unique_ptr<FileLock>> take_migration_lock() const {
    PosixFileSystem files;
    const std::string path = options_.path + "-migration";
    const auto deadline = std::chrono::steady_clock::now() + options_.lock_timeout;
    while (true) {
      Result<std::unique_ptr<FileLock>> lock = files.lock(path);
      if (lock || lock.error().code() != Errc::kLocked || std::chrono::steady_clock::now() >= deadline) return lock;
      std::this_thread::sleep_for(kMigrationLockPoll);
    }
  }

  const Options options_;
  const SqliteDialect dialect_;
};

}  // namespace

Result<Options> parse_url(std::string_view url) {
  if (!url.starts_with(kScheme)) {
    return fail(Errc::kInvalidArgument, "not a SQLite URL, expected sqlite:PATH: " + std::string(url));
  }
  const std::string_view path = url.substr(kScheme.size());
  if (path.empty() || path == ":memory:") {
    return fail(Errc::kInvalidArgument,
                "a SQLite URL must name a file, as sqlite:data/tidemark.db: " + std::string(url));
  }
  return Options{.path = std::string(path)};
}

std::unique_ptr<Database> make_database(Options options) {
  return std::make_unique<SqliteDatabase>(std::move(options));
}

}  // namespace tidemark::sql::sqlite
