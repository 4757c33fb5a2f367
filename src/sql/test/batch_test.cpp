#include "tidemark/sql/batch.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace tidemark::sql {
namespace {

TEST(Batch, values_come_back_as_they_went_in) {
  Batch batch(5);
  const Decimal tiny = Decimal::from_units(-1);
  const Timestamp time = from_micros(-62'135'596'800'000'000);
  batch.begin_row();
  batch.add_text(std::string_view("a\0b", 3));
  batch.add_int(std::numeric_limits<std::int64_t>::min());
  batch.add_decimal(tiny);
  batch.add_time(time);
  batch.add_null();

  ASSERT_EQ(batch.rows(), 1u);
  EXPECT_EQ(batch.text(0, 0), std::string_view("a\0b", 3));
  EXPECT_EQ(batch.integer(0, 1), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(batch.decimal(0, 2), tiny);
  EXPECT_EQ(batch.time(0, 3), time);
  EXPECT_TRUE(batch.is_null(0, 4));
  EXPECT_FALSE(batch.is_null(0, 0));
}

TEST(Batch, empty_text_is_not_null) {
  Batch batch(1);
  batch.begin_row();
  batch.add_text("");
  EXPECT_FALSE(batch.is_null(0, 0));
  EXPECT_EQ(batch.text(0, 0), "");
}

TEST(Batch, rows_stay_apart_while_the_text_buffer_grows) {
  Batch batch(2);
  for (int row = 0; row < 10'000; ++row) {
    batch.begin_row();
    batch.add_text("row " + std::to_string(row));
    batch.add_int(row);
  }
  for (std::size_t row = 0; row < batch.rows(); ++row) {
    EXPECT_EQ(batch.text(row, 0), "row " + std::to_string(row));
    EXPECT_EQ(batch.integer(row, 1), static_cast<std::int64_t>(row));
  }
}

TEST(Batch, clear_empties_it_for_reuse) {
  Batch batch(1);
  batch.begin_row();
  batch.add_text("old");
  const std::size_t bytes = batch.bytes();
  EXPECT_GT(bytes, 0u);
  batch.clear();
  EXPECT_EQ(batch.rows(), 0u);
  EXPECT_EQ(batch.bytes(), 0u);
  batch.begin_row();
  batch.add_text("new");
  EXPECT_EQ(batch.text(0, 0), "new");
  EXPECT_EQ(batch.bytes(), bytes);
}

TEST(BatchDeathTest, a_row_left_short_is_a_defect) {
  Batch batch(2);
  batch.begin_row();
  batch.add_int(1);
  EXPECT_DEATH(batch.begin_row(), "next_ == columns_.size");
}

TEST(BatchDeathTest, reading_null_as_a_value_is_a_defect) {
  Batch batch(1);
  batch.begin_row();
  batch.add_null();
  EXPECT_DEATH(static_cast<void>(batch.integer(0, 0)), "kNull");
}

}  // namespace
}  // namespace tidemark::sql
