#include "encoding.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tidemark/base/bytes.hpp"

namespace tidemark::sql::postgres {
namespace {

std::string hex_of(Oid oid, const Value& value) {
  std::string out;
  EXPECT_TRUE(append_value(out, oid, value));
  return to_hex(as_bytes(out));
}

Decimal decimal(std::string_view text) {
  return Decimal::parse(text).value();
}

// ndigits, weight, sign, dscale, digits of base 10,000, as numeric_recv of the server reads them.
TEST(PostgresEncoding, numeric_is_written_in_digits_of_base_ten_thousand) {
  EXPECT_EQ(hex_of(Oid::kNumeric, decimal("0")), "000000000000000c");
  EXPECT_EQ(hex_of(Oid::kNumeric, decimal("1")),
            "000100000000000c"
            "0001");
  EXPECT_EQ(hex_of(Oid::kNumeric, decimal("-10000")),
            "000100014000000c"
            "0001");
  EXPECT_EQ(hex_of(Oid::kNumeric, decimal("12345.6789")),
            "000300010000000c"
            "0001"
            "0929"
            "1a85");
  EXPECT_EQ(hex_of(Oid::kNumeric, decimal("0.000000000001")),
            "0001fffd0000000c"
            "0001");
}

TEST(PostgresEncoding, numeric_comes_back_equal) {
  for (const char* text :
       {"0", "1", "-1", "10000", "9999.9999", "0.0001", "-0.000000000001", "123456789012345.123456789012",
        "99999999999999999999999999.999999999999", "-99999999999999999999999999.999999999999"}) {
    std::string out;
    ASSERT_TRUE(append_value(out, Oid::kNumeric, decimal(text)));
    EXPECT_EQ(read_value(out, Oid::kNumeric, Type::kDecimal).value(), Value(decimal(text))) << text;
  }
}

std::string bytes(std::string_view hex) {
  std::string out(hex.size() / 2, '\0');
  EXPECT_TRUE(from_hex(hex, std::as_writable_bytes(std::span(out))));
  return out;
}

TEST(PostgresEncoding, numeric_that_we_cannot_hold_is_an_error) {
  for (const char* hex : {"00000000c0000000",      // NaN.
                          "00000000d0000000",      // Infinity.
                          "000100070000000c0001",  // 10^28.
                          "000100060000000c03e8",  // 10^27.
                          "0001fffc000000100001",  // 10^-16.
                          "0005000000000010000100000000000000"
                          "01",  // 1 + 10^-16.
                          "0001", ""}) {
    EXPECT_FALSE(read_value(bytes(hex), Oid::kNumeric, Type::kDecimal)) << hex;
  }
}

TEST(PostgresEncoding, times_count_from_the_year_2000) {
  EXPECT_EQ(hex_of(Oid::kTimestamptz, parse_rfc3339("2000-01-01T00:00:00.000001Z").value()), "0000000000000001");
  EXPECT_EQ(hex_of(Oid::kTimestamptz, parse_rfc3339("1999-12-31T23:59:59.999999Z").value()), "ffffffffffffffff");
  // The least value would mean minus infinity.
  EXPECT_EQ(hex_of(Oid::kTimestamptz, from_micros(std::numeric_limits<std::int64_t>::min())), "8000000000000001");
}

TEST(PostgresEncoding, text_goes_to_a_uuid_parameter_as_its_16_bytes) {
  EXPECT_EQ(hex_of(Oid::kUuid, "c8a7f6de-3d7c-4f0b-9b7c-0f1e2d3c4b5a"), "c8a7f6de3d7c4f0b9b7c0f1e2d3c4b5a");
  EXPECT_EQ(hex_of(Oid::kText, "c8"), "6338");
  std::string out;
  for (const char* text : {"", "c8a7f6de3d7c4f0b9b7c0f1e2d3c4b5a", "c8a7f6de-3d7c-4f0b-9b7c-0f1e2d3c4b5g"}) {
    EXPECT_EQ(append_value(out, Oid::kUuid, text).error().code(), Errc::kDataRejected) << text;
  }
}

TEST(PostgresEncoding, an_array_holds_its_rows_and_says_whether_one_is_null) {
  Batch batch(1);
  for (const char* text : {"a", "bc"}) {
    batch.begin_row();
    batch.add_text(text);
  }
  batch.begin_row();
  batch.add_null();
  std::string out;
  ASSERT_TRUE(append_array(out, batch, 0, Type::kText, 0, 2));
  EXPECT_EQ(to_hex(as_bytes(out)),
            "00000001"
            "00000000"
            "00000019"
            "00000002"
            "00000001"
            "0000000161"
            "000000026263");
  out.clear();
  ASSERT_TRUE(append_array(out, batch, 0, Type::kText, 1, 3));
  EXPECT_EQ(to_hex(as_bytes(out)),
            "00000001"
            "00000001"
            "00000019"
            "00000002"
            "00000001"
            "000000026263"
            "ffffffff");
}

TEST(PostgresEncoding, a_column_of_another_type_is_an_error) {
  EXPECT_FALSE(read_value("text", Oid::kText, Type::kInt));
  EXPECT_FALSE(read_value(std::string(8, '\0'), Oid::kInt8, Type::kText));
  EXPECT_FALSE(read_value(std::string(8, '\0'), Oid::kInt8, Type::kTime));
  EXPECT_EQ(read_value(bytes("00000005"), Oid::kInt4, Type::kDecimal).value(), Value(decimal("5")));
}

}  // namespace
}  // namespace tidemark::sql::postgres
