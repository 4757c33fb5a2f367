#include "value.hpp"

#include <gtest/gtest.h>

namespace tidemark::config {
namespace {

struct SizeCase {
  std::string_view text;
  std::int64_t bytes;  ///< -1: refused.
};
class Size : public ::testing::TestWithParam<SizeCase> {};

TEST_P(Size, is_read_or_refused) {
  const auto parsed = parse_size(GetParam().text);
  ASSERT_EQ(parsed.has_value(), GetParam().bytes >= 0);
  if (parsed) {
    EXPECT_EQ(*parsed, static_cast<std::uint64_t>(GetParam().bytes));
    EXPECT_EQ(parse_size(format_size(*parsed)), *parsed);
  }
}

INSTANTIATE_TEST_SUITE_P(Read, Size,
                         ::testing::Values(SizeCase{"8 MiB", 8 << 20}, SizeCase{"8MiB", 8 << 20},
                                           SizeCase{"8388608", 8 << 20}, SizeCase{"0", 0}, SizeCase{"1 B", 1},
                                           SizeCase{"3 KiB", 3072}, SizeCase{"16 GiB", std::int64_t{16} << 30},
                                           SizeCase{"1 TiB", std::int64_t{1} << 40}));
INSTANTIATE_TEST_SUITE_P(Refused, Size,
                         ::testing::Values(SizeCase{"", -1}, SizeCase{"MiB", -1}, SizeCase{"-1", -1},
                                           SizeCase{"+1", -1}, SizeCase{"1.5 MiB", -1}, SizeCase{"8 MB", -1},
                                           SizeCase{"8 mib", -1}, SizeCase{"8  MiB", -1}, SizeCase{"8 MiB ", -1},
                                           SizeCase{" 8", -1}, SizeCase{"8 ", -1}, SizeCase{"0x10", -1},
                                           SizeCase{"18446744073709551616", -1}, SizeCase{"16777216 TiB", -1}));

TEST(Size, is_written_in_its_largest_whole_unit) {
  EXPECT_EQ(format_size(8 << 20), "8 MiB");
  EXPECT_EQ(format_size(1025), "1025 B");
  EXPECT_EQ(format_size(0), "0 B");
}

struct AddressCase {
  std::string_view text;
  std::string_view host;  ///< Empty: refused.
  int port;
};
class AddressText : public ::testing::TestWithParam<AddressCase> {};

TEST_P(AddressText, is_read_or_refused) {
  const auto& [text, host, port] = GetParam();
  const auto parsed = parse_address(text);
  ASSERT_EQ(parsed.has_value(), !host.empty());
  if (parsed) {
    EXPECT_EQ(parsed->host, host);
    EXPECT_EQ(parsed->port, port);
    EXPECT_EQ(format_address(*parsed), text);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, AddressText,
    ::testing::Values(AddressCase{"127.0.0.1:8080", "127.0.0.1", 8080}, AddressCase{"localhost:0", "localhost", 0},
                      AddressCase{"[::1]:65535", "::1", 65535}, AddressCase{"8080", "", 0}, AddressCase{":8080", "", 0},
                      AddressCase{"host:", "", 0}, AddressCase{"host:65536", "", 0}, AddressCase{"host:-1", "", 0},
                      AddressCase{"host:80x", "", 0}, AddressCase{"::1:8080", "", 0}, AddressCase{"[]:8080", "", 0},
                      AddressCase{"[::1:8080", "", 0}, AddressCase{"http://host:80", "", 0}, AddressCase{"", "", 0}));

TEST(DatabaseUrl, is_known_by_its_scheme) {
  for (const char* url : {"sqlite:a.db", "postgres://h/d", "postgresql://u:p@h/d", "mysql://h/d", "mariadb://h/d"}) {
    EXPECT_TRUE(check_database_url(url)) << url;
  }
  for (const char* url : {"", "sqlite:", "postgres://", "postgres:/h", "oracle://h", "a.db", "SQLITE:a"}) {
    EXPECT_FALSE(check_database_url(url)) << url;
  }
}

struct RedactCase {
  std::string_view url;
  std::string_view redacted;
};
class Redacted : public ::testing::TestWithParam<RedactCase> {};

TEST_P(Redacted, url_keeps_all_but_the_password) {
  EXPECT_EQ(redact_url(GetParam().url), GetParam().redacted);
}

INSTANTIATE_TEST_SUITE_P(All, Redacted,
                         ::testing::Values(RedactCase{"", ""}, RedactCase{"sqlite:data/a.db", "sqlite:data/a.db"},
                                           RedactCase{"postgres://host:5432/db", "postgres://host:5432/db"},
                                           RedactCase{"postgres://user@host/db", "postgres://user@host/db"},
                                           RedactCase{"postgres://user:hunter2@host/db", "postgres://user:***@host/db"},
                                           RedactCase{"mysql://user:hunt@er2@host/db", "mysql://user:***@host/db"},
                                           RedactCase{"mysql://user:hunt?er2@host/db", "mysql://user:***@host/db"},
                                           RedactCase{"mysql://user:hunt/er2@host/db", "mysql://user:***@host/db"},
                                           RedactCase{"postgres://host/db?user=u&password=hunter2&sslmode=require",
                                                      "postgres://host/db?user=u&password=***&sslmode=require"},
                                           RedactCase{"postgres://host/db?sslpassword=hunter2",
                                                      "postgres://host/db?sslpassword=***"},
                                           RedactCase{"user:hunter2@host/db", "***"}));

TEST(Shown, values_are_cut_and_made_harmless) {
  EXPECT_EQ(shown("a\nb\x1b"), "a?b?");
  EXPECT_EQ(shown("\xff"), "?");
  EXPECT_EQ(shown("é"), "é");
  EXPECT_EQ(shown(std::string(79, 'a') + "é"), std::string(79, 'a') + "…");
}

}  // namespace
}  // namespace tidemark::config
