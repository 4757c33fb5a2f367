// Upserts into SQLite as somebody writes them who knows it well, against the table that a flush of Tidemark has filled:
// one prepared statement, its values bound, run for each of KEYS totals in the order of their keys, in one transaction
// with the same settings. Adds one event of amount 1 to each; the first round inserts and isn't counted among the
// updates. Prints one JSON object. Usage: sqlite_upserts FILE KEYS SECONDS
#include <sqlite3.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using Steady = std::chrono::steady_clock;

constexpr const char* kStatement =
    "INSERT INTO tidemark_totals (tenant, meter, subject, group_hash, window_size, window_start, group_values, value, "
    "sum,"
    " events, first_time, last_time, updated_at) VALUES ('default', 'by_prepared', ?1, zeroblob(16), 'TOTAL',"
    " '1970-01-01T00:00:00.000000Z', '{}', 1, NULL, 1, ?2, ?2, ?2)"
    " ON CONFLICT (tenant, meter, subject, group_hash, window_size, window_start) DO UPDATE SET value = value +"
    " excluded.value, events = events + excluded.events, last_time = excluded.last_time, updated_at ="
    " excluded.updated_at";
constexpr const char* kTime = "2024-05-01T12:00:00.000000Z";

void must(sqlite3* database, int code) {
  if (code == SQLITE_OK || code == SQLITE_DONE) return;
  std::fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
  std::exit(1);
}

void run(sqlite3* database, const char* statement) {
  must(database, sqlite3_exec(database, statement, nullptr, nullptr, nullptr));
}

double upsert(sqlite3* database, sqlite3_stmt* statement, std::size_t keys) {
  const auto began = Steady::now();
  run(database, "BEGIN IMMEDIATE");
  for (std::size_t key = 0; key < keys; ++key) {
    char subject[16];
    const int size = std::snprintf(subject, sizeof(subject), "s-%08zu", key);
    must(database, sqlite3_bind_text(statement, 1, subject, size, SQLITE_STATIC));
    must(database, sqlite3_bind_text(statement, 2, kTime, -1, SQLITE_STATIC));
    must(database, sqlite3_step(statement));
    must(database, sqlite3_reset(statement));
  }
  run(database, "COMMIT");
  return std::chrono::duration<double>(Steady::now() - began).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "sqlite_upserts FILE KEYS SECONDS\n"), 2;
  sqlite3* database = nullptr;
  must(database, sqlite3_open(argv[1], &database));
  run(database, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384");
  const std::size_t keys = std::strtoull(argv[2], nullptr, 10);
  const std::chrono::duration<double> wanted(std::atof(argv[3]));
  sqlite3_stmt* statement = nullptr;
  must(database, sqlite3_prepare_v2(database, kStatement, -1, &statement, nullptr));
  const double insert_seconds = upsert(database, statement, keys);
  double update_seconds = 0;
  int updates = 0;
  for (const auto began = Steady::now(); updates < 2 || Steady::now() < began + wanted; ++updates) {
    update_seconds += upsert(database, statement, keys);
  }
  sqlite3_finalize(statement);
  sqlite3_close(database);
  const auto rows = static_cast<double>(keys);
  std::printf("{\"prepared_insert_rows_per_second\":%.0f,\"prepared_update_rows_per_second\":%.0f}\n",
              rows / insert_seconds, rows * updates / update_seconds);
  return 0;
}
