#include "url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::sql::mysql {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MysqlUrl, every_part_is_read) {
  const Url url =
      parse_url("mysql://user:secret@db.example:3307/usage?ssl-mode=required&ssl-cert=/c.pem&ssl-key=/k.pem").value();
  EXPECT_EQ(url.host, "db.example");
  EXPECT_EQ(url.port, 3307);
  EXPECT_EQ(url.user, "user");
  EXPECT_EQ(url.password, "secret");
  EXPECT_EQ(url.database, "usage");
  EXPECT_EQ(url.tls, TlsMode::kRequired);
  EXPECT_EQ(url.certificate, "/c.pem");
  EXPECT_EQ(url.key, "/k.pem");
}

TEST(MysqlUrl, what_is_left_out_has_a_default) {
  const Url url = parse_url("mariadb:///usage").value();
  EXPECT_EQ(url.host, "127.0.0.1");
  EXPECT_EQ(url.port, 3306);
  EXPECT_EQ(url.user, "");
  EXPECT_EQ(url.password, std::nullopt);
  EXPECT_EQ(url.tls, TlsMode::kPreferred);
  EXPECT_EQ(parse_url("mysql://h/d").value().host, "h");
  EXPECT_EQ(parse_url("mysql://h").value().database, "");
  EXPECT_EQ(parse_url("mysql://u:@h/d").value().password, "");
}

TEST(MysqlUrl, parts_are_percent_decoded) {
  const Url url = parse_url("mysql://us%40er:p%3a%2F%3F%25@h/d%C3%A9?socket=%2Frun%2Fmy+sql%26x").value();
  EXPECT_EQ(url.user, "us@er");
  EXPECT_EQ(url.password, "p:/?%");
  EXPECT_EQ(url.database, "d\u00e9");
  EXPECT_EQ(url.socket, "/run/my+sql&x");
}

TEST(MysqlUrl, a_colon_and_an_at_in_the_password_need_no_encoding) {
  const Url url = parse_url("mysql://u:a:b@c@h:1/d").value();
  EXPECT_EQ(url.user, "u");
  EXPECT_EQ(url.password, "a:b@c");
  EXPECT_EQ(url.host, "h");
  EXPECT_EQ(url.port, 1);
}

TEST(MysqlUrl, an_ipv6_address_stands_in_brackets) {
  const Url url = parse_url("mysql://u@[2001:db8::1]:3307/d").value();
  EXPECT_EQ(url.host, "2001:db8::1");
  EXPECT_EQ(url.port, 3307);
  EXPECT_EQ(parse_url("mysql://[::1]/d").value().port, 3306);
}

TEST(MysqlUrl, an_authority_without_a_mode_means_verification) {
  EXPECT_EQ(parse_url("mysql://h/d?ssl-ca=/ca.pem").value().tls, TlsMode::kVerifyIdentity);
  EXPECT_EQ(parse_url("mysql://h/d?ssl-mode=PREFERRED&ssl-ca=/ca.pem").value().tls, TlsMode::kPreferred);
  EXPECT_EQ(parse_url("mysql://h/d?ssl-ca=/ca.pem&ssl-mode=Disabled").value().tls, TlsMode::kDisabled);
}

TEST(MysqlUrl, what_is_malformed_is_refused_without_showing_the_password) {
  for (const char* text :
       {"", "mysql:/u:hunter2@h/d", "postgres://u:hunter2@h/d", "MYSQL://u:hunter2@h/d", "mysql://u:hunter2%@h/d",
        "mysql://u:hunter2%zz@h/d", "mysql://u:hunter2%00@h/d", "mysql://u:hunter2@h:0/d",
        "mysql://u:hunter2@h:65536/d", "mysql://u:hunter2@h:x/d", "mysql://u:hunter2@h:/d", "mysql://u:hunter2@[::1/d",
        "mysql://u:hunter2@[::1]x/d", "mysql://u:hunter2@h/d/e", "mysql://u:hunter2@h/d?ssl-mode=VERIFY_CA",
        "mysql://u:hunter2@h/d?tls=1", "mysql://u:hunter2@h/d?socket", "mysql://u:hunter2@h/%ff"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code(), Errc::kInvalidArgument);
    EXPECT_THAT(url.error().message(), HasSubstr("mysql://USER:PASSWORD@HOST:PORT/DATABASE"));
    EXPECT_THAT(url.error().message(), Not(HasSubstr("hunter2")));
  }
}

}  // namespace
}  // namespace tidemark::sql::mysql
