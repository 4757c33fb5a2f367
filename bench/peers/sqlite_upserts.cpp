// Upserts into SQLite as somebody writes them who knows it well, against the table that a flush of Tidemark has filled:
// one prepared statement, its values bound, run for each of KEYS totals in the order of their keys, in one transaction
// with the same settings. Adds one event of amount 1 to each; of four rounds the first inserts new keys and the others
// update them. Prints the medians as one JSON object. Usage: sqlite_upserts FILE KEYS SECONDS
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

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

constexpr int kRoundsARange = 4;  // As the flush: one inserts, the others update.
constexpr int kLeastRounds = 2 * kRoundsARange;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void must(sqlite3* database, int code) {
  if (code == SQLITE_OK || code == SQLITE_DONE) return;
  std::fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
  std::exit(1);
}

void run(sqlite3* database, const char* statement) {
  must(database, sqlite3_exec(database, statement, nullptr, nullptr, nullptr));
}

/// How many keys an earlier call has left.
std::size_t stored_keys(sqlite3* database) {
  sqlite3_stmt* count = nullptr;
  must(database, sqlite3_prepare_v2(database, "SELECT count(*) FROM tidemark_totals WHERE meter = 'by_prepared'", -1,
                                    &count, nullptr));
  sqlite3_step(count);
  const auto keys = static_cast<std::size_t>(sqlite3_column_int64(count, 0));
  must(database, sqlite3_finalize(count));
  return keys;
}

/// Answers the rows a second.
double upsert(sqlite3* database, sqlite3_stmt* statement, std::size_t begin, std::size_t end) {
  const auto began = Steady::now();
  run(database, "BEGIN IMMEDIATE");
  for (std::size_t key = begin; key < end; ++key) {
    char subject[16];
    const int size = std::snprintf(subject, sizeof(subject), "s-%08zu", key);
    must(database, sqlite3_bind_text(statement, 1, subject, size, SQLITE_STATIC));
    must(database, sqlite3_bind_text(statement, 2, kTime, -1, SQLITE_STATIC));
    must(database, sqlite3_step(statement));
    must(database, sqlite3_reset(statement));
  }
  run(database, "COMMIT");
  return static_cast<double>(end - begin) / std::chrono::duration<double>(Steady::now() - began).count();
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
  std::vector<double> inserts;
  std::vector<double> updates;
  std::size_t first = stored_keys(database);
  const auto began = Steady::now();
  for (int round = 0; round < kLeastRounds || Steady::now() < began + wanted; ++round) {
    const bool inserting = round % kRoundsARange == 0;
    if (inserting && round > 0) first += keys;
    (inserting ? inserts : updates).push_back(upsert(database, statement, first, first + keys));
  }
  sqlite3_finalize(statement);
  sqlite3_close(database);
  std::printf("{\"prepared_insert_rows_per_second\":%.0f,\"prepared_update_rows_per_second\":%.0f}\n", median(inserts),
              median(updates));
  return 0;
}
