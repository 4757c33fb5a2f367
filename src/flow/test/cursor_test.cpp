#include "tidemark/flow/cursor.hpp"

#include <gmock/gmock.h>

#include "rig.hpp"

namespace tidemark::flow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CursorTest : public ::testing::Test {
 protected:
  void SetUp() override { must(migrate_kernel_tables(*session_)); }

  std::string one_text(const std::string& query) {
    return std::get<std::string>(must(session_->query(query, {}, std::vector{sql::Type::kText})).at(0).at(0));
  }

  TemporaryDirectory directory_;
  std::unique_ptr<sql::Database> database_ = sql::sqlite::make_database({.path = directory_.file("cursors.db")});
  std::unique_ptr<sql::Session> session_ = must(database_->connect());
  const CursorKey key_{"totals", std::string(32, 'a'), 0};
  const Timestamp now_ = from_micros(1'714'564'800'000'001);
};

TEST(Position, is_written_as_offset_and_index) {
  EXPECT_EQ(position_text({}), "0.0");
  EXPECT_EQ(position_text({18'446'744'073'709'551'615u, 4'294'967'295u}), "18446744073709551615.4294967295");
  for (const log::Position position : {log::Position{}, log::Position{17, 0}, log::Position{1, 4'294'967'295u}}) {
    EXPECT_EQ(must(parse_position(position_text(position))), position);
  }
}

TEST(Position, other_spellings_are_corrupt) {
  for (const char* text : {"", ".", "1", "1.", ".1", "01.0", "1.00", "+1.0", "-1.0", "1.0 ", " 1.0", "1.0.0", "1,0",
                           "a.b", "18446744073709551616.0", "0.4294967296"}) {
    const auto parsed = parse_position(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Errc::kCorrupt);
  }
}

TEST(Position, a_record_that_is_applied_in_part_is_held) {
  EXPECT_EQ(applied_end({7, 0}), 7u);
  EXPECT_EQ(applied_end({7, 1}), 8u);
}

TEST_F(CursorTest, comes_back_as_it_was_written) {
  EXPECT_EQ(must(read_cursor(*session_, key_)), std::nullopt);
  const Cursor first{"0.0", std::string(32, 'b'), std::nullopt};
  must(insert_cursor(*session_, key_, first, now_));
  EXPECT_EQ(must(read_cursor(*session_, key_)), first);
  const Cursor second{"5.1", std::string(32, 'c'), now_};
  EXPECT_TRUE(must(advance_cursor(*session_, key_, first, second, now_)));
  EXPECT_EQ(must(read_cursor(*session_, key_)), second);
}

TEST_F(CursorTest, moves_only_from_where_it_stands) {
  const Cursor at{"5.0", std::string(32, 'b'), now_};
  must(insert_cursor(*session_, key_, at, now_));
  const Cursor to{"6.0", std::string(32, 'b'), now_};
  EXPECT_FALSE(must(advance_cursor(*session_, key_, {"4.0", at.start_id, now_}, to, now_)));
  EXPECT_FALSE(must(advance_cursor(*session_, key_, {at.position, std::string(32, 'c'), now_}, to, now_)));
  for (const CursorKey& other : {CursorKey{"lifecycle", key_.log_id, 0}, CursorKey{key_.flow, std::string(32, 'f'), 0},
                                 CursorKey{key_.flow, key_.log_id, 1}}) {
    EXPECT_FALSE(must(advance_cursor(*session_, other, at, to, now_)));
  }
  EXPECT_EQ(must(read_cursor(*session_, key_)), at);
  EXPECT_TRUE(must(advance_cursor(*session_, key_, {at.position, at.start_id, std::nullopt}, to, now_)))
      << "the watermark isn't compared";
}

TEST_F(CursorTest, that_stays_in_place_counts_as_moved) {
  const Cursor at{"5.0", std::string(32, 'b'), now_};
  must(insert_cursor(*session_, key_, at, now_));
  EXPECT_TRUE(must(advance_cursor(*session_, key_, at, at, now_)));
}

TEST_F(CursorTest, other_logs_of_the_same_flow_and_partition_are_foreign) {
  EXPECT_THAT(must(foreign_logs(*session_, key_)), IsEmpty());
  const Cursor at{"5.0", std::string(32, 'b'), now_};
  must(insert_cursor(*session_, key_, at, now_));
  must(insert_cursor(*session_, {"lifecycle", std::string(32, 'e'), 0}, at, now_));
  must(insert_cursor(*session_, {key_.flow, std::string(32, 'e'), 1}, at, now_));
  EXPECT_THAT(must(foreign_logs(*session_, key_)), IsEmpty());
  must(insert_cursor(*session_, {key_.flow, std::string(32, 'd'), 0}, at, now_));
  EXPECT_THAT(must(foreign_logs(*session_, key_)), ElementsAre(std::string(32, 'd')));
}

TEST_F(CursorTest, dead_letters_are_kept_once) {
  std::vector<DeadLetter> letters{{{10, 0}, "t", "overflow", "d", "{\"n\":10}"},
                                  {{9, 1}, "t", "overflow", "d", "{\"n\":9}"},
                                  {{10, 0}, "t", "overflow", "again", "{}"}};
  const auto write = [&] {
    must(session_->begin());
    must(write_dead_letters(*session_, key_, letters, now_));
    must(session_->commit());
  };
  write();
  letters[0].detail = "replayed";
  write();
  EXPECT_EQ(one_text("SELECT group_concat(position || '.' || event_index || ' ' || detail) FROM tidemark_dead_letters"),
            "10.0 d,9.1 d");
}

TEST_F(CursorTest, dead_letters_that_no_database_stores_are_written_as_hexadecimal_and_cut) {
  std::vector<DeadLetter> letters{{{1, 0}, "t", "corrupt", std::string("\xff\0", 2), std::string("a\0b", 3)},
                                  {{2, 0}, "t", "corrupt", "d", std::string(70'000, 'x') + "é"},
                                  {{3, 0}, "t", "corrupt", "d", std::string(65'535, 'x') + "é"}};
  must(session_->begin());
  must(write_dead_letters(*session_, key_, letters, now_));
  must(session_->commit());
  EXPECT_EQ(one_text("SELECT detail || ' ' || payload FROM tidemark_dead_letters WHERE position = '1'"), "ff00 610062");
  EXPECT_EQ(one_text("SELECT length(payload) FROM tidemark_dead_letters WHERE position = '2'"), "65536");
  EXPECT_EQ(one_text("SELECT length(payload) FROM tidemark_dead_letters WHERE position = '3'"), "65535")
      << "not within a character";
}

TEST_F(CursorTest, migrating_again_changes_nothing) {
  must(insert_cursor(*session_, key_, {"5.0", std::string(32, 'b'), now_}, now_));
  must(migrate_kernel_tables(*session_));
  EXPECT_EQ(must(read_cursor(*session_, key_))->position, "5.0");
}

TEST_F(CursorTest, a_newer_schema_is_refused_with_the_remedy) {
  must(session_->execute("UPDATE tidemark_schema SET version = 1000000 WHERE part = 'kernel'"));
  const auto refused = migrate_kernel_tables(*session_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kRefused);
  EXPECT_THAT(refused.error().message(), HasSubstr("run that version"));
}

TEST_F(CursorTest, migration_goes_on_where_it_was_interrupted) {
  std::vector<int> ran;
  bool fails = true;
  const std::vector<MigrationStep> steps{[&](sql::Session&) -> Result<void> {
                                           ran.push_back(1);
                                           return {};
                                         },
                                         [&](sql::Session&) -> Result<void> {
                                           ran.push_back(2);
                                           if (fails) return fail(Errc::kConnectionLost, "killed");
                                           return {};
                                         }};
  EXPECT_FALSE(migrate_part(*session_, "test", steps));
  fails = false;
  must(migrate_part(*session_, "test", steps));
  must(migrate_part(*session_, "test", steps));
  EXPECT_THAT(ran, ElementsAre(1, 2, 2));
}

}  // namespace
}  // namespace tidemark::flow
