#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <fstream>

#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"
#include "tidemark/sql/sqlite/database.hpp"

namespace tidemark::sql::sqlite {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const UpsertShape& amounts() {
  static const UpsertShape shape{
      "amounts", {{{"id", Type::kInt}, Merge::kKey}, {{"value", Type::kDecimal, 0, true}, Merge::kAdd}}, ""};
  return shape;
}

Batch one(std::int64_t id, Decimal value) {
  Batch batch(2);
  batch.begin_row();
  batch.add_int(id);
  batch.add_decimal(value);
  return batch;
}

class Sqlite : public ::testing::Test {
 protected:
  std::unique_ptr<Session> connect() { return must(make_database({.path = path_})->connect()); }

  std::string read_text(Session& session, const std::string& query) {
    return std::get<std::string>(must(session.query(query, {}, std::vector{Type::kText}))[0][0]);
  }

  void create_amounts(Session& session) {
    must(session.execute(session.dialect().create_table(
        {"amounts", {amounts().columns[0].column, amounts().columns[1].column}, {"id"}})));
  }

  /// Runs SQL as another program would, without our settings and functions.
  void run_elsewhere(const char* statements) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &handle), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(handle, statements, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.file("totals.db");
};

TEST(SqliteUrl, names_a_file) {
  EXPECT_EQ(must(parse_url("sqlite:data/tidemark.db")).path, "data/tidemark.db");
  EXPECT_EQ(must(parse_url("sqlite:/var/lib/a b.db")).path, "/var/lib/a b.db");
}

TEST(SqliteUrl, without_a_file_is_refused) {
  for (const char* url : {"sqlite:", "sqlite::memory:", "postgres://host/db", "data.db", ""}) {
    EXPECT_EQ(parse_url(url).error().code(), Errc::kInvalidArgument) << url;
  }
}

TEST_F(Sqlite, sessions_write_ahead_and_sync_every_commit) {
  const auto session = connect();
  EXPECT_EQ(read_text(*session, "PRAGMA journal_mode"), "wal");
  EXPECT_EQ(read_text(*session, "PRAGMA synchronous"), "2");
  EXPECT_EQ(read_text(*session, "PRAGMA journal_size_limit"), std::to_string(64 << 20));
}

TEST_F(Sqlite, a_new_file_is_marked_as_ours) {
  connect();
  EXPECT_EQ(read_text(*connect(), "PRAGMA application_id"), std::to_string(0x74646d6b));
}

TEST_F(Sqlite, another_applications_file_is_refused_with_the_remedy) {
  run_elsewhere("PRAGMA application_id=1196444487; CREATE TABLE gpkg_contents (id INTEGER)");
  const auto refused = make_database({.path = path_})->connect();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kRefused);
  EXPECT_THAT(refused.error().message(), HasSubstr("name another file"));
  EXPECT_THAT(refused.error().message(), HasSubstr(path_));
}

TEST_F(Sqlite, tables_of_the_user_stay_as_they_are) {
  run_elsewhere("CREATE TABLE customers (name TEXT); INSERT INTO customers VALUES ('Ada')");
  const auto session = connect();
  create_amounts(*session);
  EXPECT_EQ(read_text(*session, "SELECT name FROM customers"), "Ada");
  EXPECT_EQ(read_text(*session, "PRAGMA application_id"), "0") << "a file that isn't ours is not marked";
}

TEST_F(Sqlite, a_file_that_is_no_database_is_corrupt_and_named_with_the_remedy) {
  std::ofstream(path_) << std::string(4096, 'x');
  const auto refused = make_database({.path = path_})->connect();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kCorrupt);
  EXPECT_THAT(refused.error().message(), HasSubstr("restore a backup"));
  EXPECT_THAT(refused.error().message(), HasSubstr(path_));
}

TEST_F(Sqlite, damaged_pages_are_corrupt) {
  {
    const auto session = connect();
    create_amounts(*session);
    must(session->begin());
    for (int id = 0; id < 5'000; ++id) must(session->upsert(amounts(), one(id, Decimal::from_int(id))));
    must(session->commit());
  }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(16 * 4096, '\x5a');
  file.close();
  const auto session = connect();
  const auto read = session->query("SELECT sum(id) FROM amounts", {}, std::vector{Type::kInt});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Errc::kCorrupt);
}

TEST_F(Sqlite, a_missing_directory_is_unavailable_and_named) {
  const std::string path = directory_.file("missing/totals.db");
  const auto refused = make_database({.path = path})->connect();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr(path));
}

TEST_F(Sqlite, a_full_disk_is_told_and_leaves_nothing_after_rollback) {
  const auto session = connect();
  create_amounts(*session);
  must(session->query("PRAGMA max_page_count=8", {}, std::vector{Type::kInt}));
  must(session->begin());
  Result<void> written;
  for (int id = 0; id < 10'000 && written; ++id) written = session->upsert(amounts(), one(id, Decimal::from_int(id)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Errc::kDiskFull);
  session->rollback();
  EXPECT_EQ(read_text(*session, "SELECT count(*) FROM amounts"), "0");
}

TEST_F(Sqlite, decimals_are_integers_where_whole_and_small_else_text) {
  const auto session = connect();
  create_amounts(*session);
  must(session->begin());
  must(session->upsert(amounts(), one(1, must(Decimal::parse("42")))));
  must(session->upsert(amounts(), one(2, must(Decimal::parse("0.5")))));
  must(session->upsert(amounts(), one(3, must(Decimal::parse("9223372036854775807")))));
  must(session->upsert(amounts(), one(4, must(Decimal::parse("9223372036854775807")))));
  must(session->upsert(amounts(), one(4, must(Decimal::parse("1")))));
  must(session->upsert(amounts(), one(5, must(Decimal::parse("0.5")))));
  must(session->upsert(amounts(), one(5, must(Decimal::parse("0.5")))));
  must(session->commit());
  EXPECT_EQ(must(session->query("SELECT typeof(value) FROM amounts ORDER BY id", {}, std::vector{Type::kText})),
            (Rows{{"integer"}, {"text"}, {"integer"}, {"text"}, {"integer"}}));
  EXPECT_EQ(read_text(*session, "SELECT value FROM amounts WHERE id = 4"), "9223372036854775808");
}

TEST_F(Sqlite, times_are_text_of_one_width_that_orders_as_time) {
  const auto session = connect();
  const auto stored = [&](Timestamp time) {
    return std::get<std::string>(
        must(session->query("SELECT ?", std::vector<Value>{time}, std::vector{Type::kText}))[0][0]);
  };
  EXPECT_EQ(stored(from_micros(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(stored(from_micros(1)), "1970-01-01T00:00:00.000001Z");
}

TEST_F(Sqlite, a_value_that_somebody_else_spoilt_is_corrupt_not_wrong) {
  const auto session = connect();
  create_amounts(*session);
  for (const char* spoilt : {"1.5", "'seven'", "x'00'"}) {
    run_elsewhere((std::string("INSERT OR REPLACE INTO amounts VALUES (1, ") + spoilt + ")").c_str());
    must(session->begin());
    const auto added = session->upsert(amounts(), one(1, Decimal::from_int(1)));
    ASSERT_FALSE(added) << spoilt;
    EXPECT_EQ(added.error().code(), Errc::kCorrupt) << spoilt;
    session->rollback();
    const auto read = session->query("SELECT value FROM amounts", {}, std::vector{Type::kDecimal});
    ASSERT_FALSE(read) << spoilt;
    EXPECT_EQ(read.error().code(), Errc::kCorrupt);
    EXPECT_THAT(read.error().message(), HasSubstr("value"));
  }
}

TEST_F(Sqlite, more_statements_than_are_kept_prepared_still_work) {
  const auto session = connect();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(read_text(*session, "SELECT '" + std::to_string(i) + "'"), std::to_string(i));
  }
}

TEST_F(Sqlite, a_migration_lock_holds_against_other_openers_of_the_same_file) {
  const auto one = make_database({.path = path_, .lock_timeout = milliseconds(50)});
  const auto other = make_database({.path = path_, .lock_timeout = milliseconds(50)});
  must(one->with_migration_lock([&](Session&) -> Result<void> {
    const auto locked = other->with_migration_lock([](Session&) -> Result<void> { return {}; });
    EXPECT_EQ(locked.error().code(), Errc::kLocked);
    return {};
  }));
  must(other->with_migration_lock([](Session&) -> Result<void> { return {}; }));
}

}  // namespace
}  // namespace tidemark::sql::sqlite
