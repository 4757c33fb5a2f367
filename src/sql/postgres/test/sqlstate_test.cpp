#include "sqlstate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::sql::postgres {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* sqlstate;
  Errc code;
};

TEST(Sqlstate, each_has_its_meaning) {
  for (const Case& expected :
       {Case{"40001", Errc::kContention}, {"40P01", Errc::kContention},      {"55P03", Errc::kContention},
        {"57014", Errc::kTimeout},        {"22003", Errc::kOverflow},        {"22001", Errc::kDataRejected},
        {"22021", Errc::kDataRejected},   {"23514", Errc::kDataRejected},    {"23502", Errc::kDataRejected},
        {"23505", Errc::kConflict},       {"25006", Errc::kReadOnly},        {"53100", Errc::kDiskFull},
        {"53300", Errc::kUnavailable},    {"57P03", Errc::kUnavailable},     {"57P01", Errc::kConnectionLost},
        {"08006", Errc::kConnectionLost}, {"28P01", Errc::kUnauthenticated}, {"28000", Errc::kUnauthenticated},
        {"42501", Errc::kForbidden},      {"3D000", Errc::kRefused},         {"58030", Errc::kIo},
        {"40003", Errc::kConnectionLost}, {"54000", Errc::kDataRejected},    {"42P01", Errc::kInternal},
        {"XX000", Errc::kInternal},       {"XX001", Errc::kCorrupt},         {"", Errc::kInternal}}) {
    EXPECT_EQ(errc_of_sqlstate(expected.sqlstate), expected.code) << expected.sqlstate;
  }
}

TEST(Sqlstate, missing_rights_name_the_script) {
  const Error error = refused_statement("42501", "permission denied for table totals");
  EXPECT_THAT(error.message(), HasSubstr("docs/operations/grants-postgres.sql"));
  EXPECT_THAT(error.message(), HasSubstr("permission denied for table totals (SQLSTATE 42501)"));
}

TEST(Sqlstate, is_found_in_the_verbose_text_of_a_refused_connection) {
  const Error error = refused_connection(
      "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password authentication failed for user "
      "\"u\"\nLOCATION:  auth_failed, auth.c:326\n");
  EXPECT_EQ(error.code(), Errc::kUnauthenticated);
  EXPECT_THAT(error.message(), HasSubstr("password authentication failed for user \"u\" (SQLSTATE 28P01)"));
  EXPECT_EQ(refused_connection("… failed: SCHWERWIEGEND:  53300: zu viele").code(), Errc::kUnavailable);
  EXPECT_EQ(refused_connection("… failed: FATAL:  57P01: terminating").code(), Errc::kUnavailable);
  EXPECT_EQ(refused_connection("connection to server failed: Connection refused\n").code(), Errc::kUnavailable);
}

}  // namespace
}  // namespace tidemark::sql::postgres
