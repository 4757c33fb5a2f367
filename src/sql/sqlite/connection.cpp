#include "connection.hpp"

#include <cerrno>

namespace tidemark::sql::sqlite {
namespace {

/// "tdmk": marks the files that we made.
constexpr int kApplicationId = 0x74646d6b;

/// How many virtual machine steps pass between two looks at the clock.
constexpr int kStepsBetweenChecks = 10'000;

// The write-ahead log is cut back to 64 MiB once a checkpoint has emptied it, however large a page made it.
constexpr const char* kSettings =
    "PRAGMA synchronous=FULL;"
    "PRAGMA journal_size_limit=67108864;"
    "PRAGMA cache_size=-16384;";

Errc code_of(int primary, int system_error) {
  switch (primary) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::kContention;
    case SQLITE_INTERRUPT:
      return Errc::kTimeout;
    case SQLITE_FULL:
      return Errc::kDiskFull;
    case SQLITE_IOERR:
      return system_error == ENOSPC || system_error == EDQUOT ? Errc::kDiskFull : Errc::kIo;
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return Errc::kReadOnly;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::kCorrupt;
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
      return Errc::kUnavailable;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return Errc::kDataRejected;
    default:
      return Errc::kInternal;
  }
}

std::string_view remedy(Errc code) {
  switch (code) {
    case Errc::kCorrupt:
      return "; stop the server, keep a copy of the file, then restore a backup or name another file";
    case Errc::kReadOnly:
      return "; let the server's user write to the file and its directory";
    case Errc::kDiskFull:
      return "; free space on its disk";
    case Errc::kUnavailable:
      return "; its directory must exist and be writable by the server's user";
    default:
      return "";
  }
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const Options& options) {
  std::unique_ptr<Connection> connection(new Connection(options));
  // NOMUTEX: a session belongs to one thread at a time.
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(options.path.c_str(), &connection->handle_, kFlags, nullptr);
  if (code != SQLITE_OK) return fail(connection->error(code));
  TIDEMARK_TRY(connection->set_up());
  return connection;
}

Connection::~Connection() {
  sqlite3_close_v2(handle_);
}

Result<void> Connection::set_up() {
  start_deadline();
  sqlite3_progress_handler(handle_, kStepsBetweenChecks, check_deadline, this);
  const microseconds wait = std::min(options_.lock_timeout, options_.statement_timeout);
  sqlite3_busy_timeout(handle_, static_cast<int>(std::chrono::duration_cast<milliseconds>(wait).count()));
  if (const int code = register_functions(handle_, functions_); code != SQLITE_OK) return fail(error(code));
  TIDEMARK_TRY(refuse_foreign());
  TIDEMARK_TRY_ASSIGN(const std::string mode, read_one("PRAGMA journal_mode=WAL"));
  if (mode != "wal") {
    return fail(Errc::kRefused,
                "the SQLite database can't keep a write-ahead log; put it on a local disk, file: " + options_.path);
  }
  return run(kSettings);
}

Result<void> Connection::refuse_foreign() {
  TIDEMARK_TRY_ASSIGN(const std::string id, read_one("PRAGMA application_id"));
  if (id == std::to_string(kApplicationId)) return {};
  if (id != "0") {
    return fail(Errc::kRefused,
                "the SQLite database belongs to another application; name another file, application_id: " + id +
                    ", file: " + options_.path);
  }
  // A file with tables in it is somebody's, who may share it with us but didn't ask for our mark.
  TIDEMARK_TRY_ASSIGN(const std::string tables, read_one("SELECT count(*) FROM sqlite_schema"));
  if (tables != "0") return {};
  return run(("PRAGMA application_id=" + std::to_string(kApplicationId)).c_str());
}

Result<std::string> Connection::read_one(const char* query) {
  sqlite3_stmt* prepared = nullptr;
  int code = sqlite3_prepare_v2(handle_, query, -1, &prepared, nullptr);
  const Statement statement(prepared);
  if (code == SQLITE_OK) code = sqlite3_step(prepared);
  if (code != SQLITE_ROW) return fail(error(code));
  const unsigned char* text = sqlite3_column_text(prepared, 0);
  return std::string(text == nullptr ? "" : reinterpret_cast<const char*>(text));
}

Result<void> Connection::run(const char* statements) {
  const int code = sqlite3_exec(handle_, statements, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(error(code));
  return {};
}

Error Connection::error(int code) {
  const std::optional<Errc> of_function = std::exchange(functions_.failure, std::nullopt);
  const int primary = code & 0xff;
  const Errc errc =
      of_function && primary == SQLITE_ERROR ? *of_function : code_of(primary, sqlite3_system_errno(handle_));
  const char* message = handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_);
  return Error(errc, std::string("SQLite: ") + message + std::string(remedy(errc)) + ", file: " + options_.path);
}

int Connection::check_deadline(void* self) noexcept {
  return std::chrono::steady_clock::now() > static_cast<Connection*>(self)->deadline_ ? 1 : 0;
}

}  // namespace tidemark::sql::sqlite
