// Bulk upserts into PostgreSQL as somebody writes them who knows it well, against the table that a flush of Tidemark
// has filled: binary arrays through UNNEST, and binary COPY into a temporary table followed by INSERT … SELECT. Adds
// one event of amount 1 to each of KEYS totals of a meter of its own, one transaction a round; of four rounds the first
// inserts new keys and the others update them. Prints the medians as one JSON object.
// Usage: postgres_upserts URL KEYS SECONDS
#include <endian.h>
#include <libpq-fe.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kRowsAStatement = 20'000;           // Of 1,000, 10,000, 20,000 and 50,000 none is faster.
constexpr std::int64_t kEventTime = 768'000'000'000'000;  // Microseconds since 2000.
constexpr int kRoundsARange = 4;                          // As the flush: one inserts, the others update.
constexpr int kLeastRounds = 2 * kRoundsARange;
constexpr std::int64_t kEpoch = -946'684'800'000'000;  // 1970, likewise.
constexpr const char* kColumns =
    "tenant, meter, subject, group_hash, window_size, window_start, group_values, value, sum, events, first_time,"
    " last_time, updated_at";
constexpr const char* kOnConflict =
    " ON CONFLICT (tenant, meter, subject, group_hash, window_size, window_start) DO UPDATE SET value = t.value +"
    " excluded.value, events = t.events + excluded.events, last_time = excluded.last_time, updated_at ="
    " excluded.updated_at";

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

[[noreturn]] void give_up(PGconn* connection) {
  std::fprintf(stderr, "postgres: %s\n", PQerrorMessage(connection));
  std::exit(1);
}

void must(PGconn* connection, PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN) give_up(connection);
  PQclear(result);
}

void run(PGconn* connection, const char* statement) {
  must(connection, PQexec(connection, statement));
}

void append16(std::string& out, std::uint16_t number) {
  number = htobe16(number);
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void append32(std::string& out, std::uint32_t number) {
  number = htobe32(number);
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void append64(std::string& out, std::int64_t number) {
  const std::uint64_t big = htobe64(static_cast<std::uint64_t>(number));
  out.append(reinterpret_cast<const char*>(&big), sizeof(big));
}

std::string subject_of(std::size_t number) {
  char text[16];
  std::snprintf(text, sizeof(text), "s-%08zu", number);
  return text;
}

std::string numeric_one() {
  std::string bytes;
  for (const std::uint16_t part : {1, 0, 0, 0, 1}) append16(bytes, part);  // Digits, weight, sign, scale, the digit.
  return bytes;
}

std::string number64(std::int64_t number) {
  std::string bytes;
  append64(bytes, number);
  return bytes;
}

/// One row's columns in binary form; `sum` is NULL, written as an absent one.
struct Cells {
  explicit Cells(const std::string& meter)
      : values{"default",
               meter,
               "",
               std::string(16, '\0'),
               "TOTAL",
               number64(kEpoch),
               "{}",
               numeric_one(),
               "",
               number64(1),
               number64(kEventTime),
               number64(kEventTime),
               number64(kEventTime)} {}
  static constexpr std::size_t kMeter = 1;
  static constexpr std::size_t kSubject = 2;
  static constexpr std::size_t kSum = 8;
  std::vector<std::string> values;
};

/// The length and the bytes of one value.
void append_cell(std::string& out, const Cells& cells, std::size_t column, std::size_t key) {
  if (column == Cells::kSum) return append32(out, 0xffffffff);
  if (column != Cells::kSubject) {
    append32(out, static_cast<std::uint32_t>(cells.values[column].size()));
    out += cells.values[column];
    return;
  }
  const std::string subject = subject_of(key);
  append32(out, static_cast<std::uint32_t>(subject.size()));
  out += subject;
}

/// An array of one column's values: dimensions, has NULL, element type, length, lower bound, then each value.
std::string array_of(const Cells& cells, std::size_t column, Oid type, std::size_t begin, std::size_t end) {
  std::string out;
  append32(out, 1);
  append32(out, column == Cells::kSum);
  append32(out, type);
  append32(out, static_cast<std::uint32_t>(end - begin));
  append32(out, 1);
  for (std::size_t key = begin; key < end; ++key) {
    append_cell(out, cells, column, key);
  }
  return out;
}

void upsert_by_unnest(PGconn* connection, const Cells& cells, std::size_t begin, std::size_t keys_end) {
  constexpr Oid kTypes[] = {25, 25, 25, 17, 25, 1184, 25, 1700, 1700, 20, 1184, 1184, 1184};
  static const std::string statement =
      std::string("INSERT INTO tidemark_totals AS t (") + kColumns +
      ") SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::timestamptz[],"
      " $7::text[], $8::numeric[], $9::numeric[], $10::bigint[], $11::timestamptz[], $12::timestamptz[],"
      " $13::timestamptz[])" +
      kOnConflict;
  static bool prepared = false;
  if (!prepared) must(connection, PQprepare(connection, "upsert", statement.c_str(), 0, nullptr));
  prepared = true;
  for (; begin < keys_end; begin += kRowsAStatement) {
    std::vector<std::string> arrays;
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (std::size_t column = 0; column < cells.values.size(); ++column) {
      arrays.push_back(array_of(cells, column, kTypes[column], begin, std::min(keys_end, begin + kRowsAStatement)));
    }
    for (const std::string& array : arrays) {
      values.push_back(array.data());
      lengths.push_back(static_cast<int>(array.size()));
    }
    const std::vector<int> binary(arrays.size(), 1);
    must(connection, PQexecPrepared(connection, "upsert", static_cast<int>(arrays.size()), values.data(),
                                    lengths.data(), binary.data(), 0));
  }
}

void upsert_by_copy(PGconn* connection, const Cells& cells, std::size_t begin, std::size_t keys_end) {
  run(connection, "CREATE TEMPORARY TABLE given (LIKE tidemark_totals) ON COMMIT DROP");
  run(connection, "COPY given FROM STDIN (FORMAT binary)");
  std::string out("PGCOPY\n\377\r\n\0", 11);
  append32(out, 0);
  append32(out, 0);
  for (std::size_t key = begin; key < keys_end; ++key) {
    append16(out, static_cast<std::uint16_t>(cells.values.size()));
    for (std::size_t column = 0; column < cells.values.size(); ++column) {
      append_cell(out, cells, column, key);
    }
    if (out.size() < (1u << 20)) continue;
    if (PQputCopyData(connection, out.data(), static_cast<int>(out.size())) != 1) give_up(connection);
    out.clear();
  }
  append16(out, 0xffff);
  if (PQputCopyData(connection, out.data(), static_cast<int>(out.size())) != 1) give_up(connection);
  if (PQputCopyEnd(connection, nullptr) != 1) give_up(connection);
  while (PGresult* result = PQgetResult(connection)) must(connection, result);
  const std::string statement = std::string("INSERT INTO tidemark_totals AS t (") + kColumns + ") SELECT " + kColumns +
                                " FROM given" + kOnConflict;
  run(connection, statement.c_str());
}

struct Way {
  const char* name;
  void (*upsert)(PGconn*, const Cells&, std::size_t, std::size_t);
  Cells cells;
  std::vector<double> inserts;  // Rows a second, a value for each round.
  std::vector<double> updates;
};

/// How many keys an earlier call has left.
std::size_t stored_keys(PGconn* connection, const Way& way) {
  const std::string statement =
      "SELECT count(*) FROM tidemark_totals WHERE meter = '" + way.cells.values[Cells::kMeter] + "'";
  PGresult* result = PQexec(connection, statement.c_str());
  if (PQresultStatus(result) != PGRES_TUPLES_OK) give_up(connection);
  const std::size_t keys = std::strtoull(PQgetvalue(result, 0, 0), nullptr, 10);
  PQclear(result);
  return keys;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "postgres_upserts URL KEYS SECONDS\n"), 2;
  PGconn* connection = PQconnectdb(argv[1]);
  if (PQstatus(connection) != CONNECTION_OK) give_up(connection);
  const std::size_t keys = std::strtoull(argv[2], nullptr, 10);
  const double seconds = std::atof(argv[3]);
  Way ways[] = {{"unnest", upsert_by_unnest, Cells("by_unnest")}, {"copy", upsert_by_copy, Cells("by_copy")}};
  std::size_t first = 0;
  for (const Way& way : ways) first = std::max(first, stored_keys(connection, way));
  const auto began = Steady::now();
  for (int round = 0; round < kLeastRounds || Steady::now() < began + std::chrono::duration<double>(seconds); ++round) {
    const bool inserting = round % kRoundsARange == 0;
    if (inserting && round > 0) first += keys;
    for (std::size_t turn = 0; turn < std::size(ways); ++turn) {
      Way& way = ways[(turn + static_cast<std::size_t>(round / kRoundsARange)) % std::size(ways)];
      const auto at = Steady::now();
      run(connection, "BEGIN");
      way.upsert(connection, way.cells, first, first + keys);
      run(connection, "COMMIT");
      const double took = std::chrono::duration<double>(Steady::now() - at).count();
      (inserting ? way.inserts : way.updates).push_back(static_cast<double>(keys) / took);
    }
  }
  std::printf("{");
  for (Way& way : ways) {
    std::printf("%s\"%s_insert_rows_per_second\":%.0f,\"%s_update_rows_per_second\":%.0f", &way == ways ? "" : ",",
                way.name, median(way.inserts), way.name, median(way.updates));
  }
  std::printf("}\n");
  PQfinish(connection);
  return 0;
}
