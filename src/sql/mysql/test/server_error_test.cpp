#include "server_error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::sql::mysql {
namespace {

using ::testing::HasSubstr;

struct Case {
  unsigned number;
  Errc code;
};

TEST(MysqlError, each_number_has_its_meaning) {
  for (const Case& expected :
       {Case{1205, Errc::kContention}, {1213, Errc::kContention},   {1690, Errc::kOverflow},
        {1264, Errc::kOverflow},       {1290, Errc::kReadOnly},     {1792, Errc::kReadOnly},
        {1040, Errc::kUnavailable},    {1203, Errc::kUnavailable},  {2006, Errc::kConnectionLost},
        {2013, Errc::kConnectionLost}, {1366, Errc::kDataRejected}, {1406, Errc::kDataRejected},
        {1021, Errc::kDiskFull},       {1114, Errc::kDiskFull},     {1045, Errc::kUnauthenticated},
        {1142, Errc::kForbidden},      {1044, Errc::kForbidden},    {1969, Errc::kTimeout},
        {3024, Errc::kTimeout},        {1062, Errc::kConflict},     {1146, Errc::kInternal}}) {
    EXPECT_EQ(errc_of_number(expected.number, "text"), expected.code) << expected.number;
  }
}

TEST(MysqlError, a_full_disk_shows_under_many_numbers) {
  EXPECT_EQ(errc_of_number(1030, "Got error 28 \"No space left on device\" from storage engine InnoDB"),
            Errc::kDiskFull);
  EXPECT_EQ(errc_of_number(14, "Can't change size of file (Errcode: -603511600)"), Errc::kDiskFull);
  EXPECT_EQ(errc_of_number(3, "Error writing file 'x' (Errcode: 28 \"No space left on device\")"), Errc::kDiskFull);
  EXPECT_EQ(errc_of_number(1030, "Got error 122 from storage engine"), Errc::kInternal);
}

TEST(MysqlError, messages_name_the_remedy_and_the_number) {
  EXPECT_THAT(refused_statement(1142, "INSERT command denied").message(), HasSubstr("grants-mysql.sql"));
  EXPECT_THAT(refused_statement(1153, "packet").message(), HasSubstr("max_allowed_packet"));
  EXPECT_THAT(refused_statement(1665, "binlog").message(), HasSubstr("binlog_format"));
  EXPECT_THAT(refused_statement(9999, "odd").message(), HasSubstr("odd (error 9999)"));
}

TEST(MysqlError, a_connection_that_breaks_at_the_door_is_unavailable) {
  EXPECT_EQ(refused_connection(2013, "lost").code(), Errc::kUnavailable);
  EXPECT_EQ(refused_connection(2003, "refused").code(), Errc::kUnavailable);
  EXPECT_EQ(refused_connection(1045, "denied").code(), Errc::kUnauthenticated);
}

}  // namespace
}  // namespace tidemark::sql::mysql
