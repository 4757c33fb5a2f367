#include "tidemark/sql/mysql/mysql.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tidemark/sql/testing/contract.hpp"
#include "tidemark/sql/testing/private_server.hpp"
#include "tidemark/sql/testing/scratch_database.hpp"
#include "tidemark/sql/testing/server_contract.hpp"
#include "tidemark/sql/testing/tcp_gate.hpp"

namespace tidemark::sql::mysql {
namespace {

using sql::testing::Contract;
using sql::testing::ContractSettings;
using sql::testing::ContractTarget;
using sql::testing::PrivateServer;
using sql::testing::ScratchDatabase;
using sql::testing::ServerContract;
using sql::testing::ServerTarget;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string url() {
  return sql::testing::server_url("TIDEMARK_TEST_MYSQL_URL");
}

PosixFileSystem& files() {
  static PosixFileSystem system;
  return system;
}

std::unique_ptr<Database> open(const ServerOptions& options) {
  auto database = open_database(options, files());
  if (!database) throw std::runtime_error(database.error().message());
  return std::move(*database);
}

/// Runs a statement with every right.
void as_owner(const std::string& statement) {
  const auto database = open({.url = url(), .schema = "mysql"});
  auto session = database->connect();
  if (!session) throw std::runtime_error(session.error().message());
  const auto done = (*session)->execute(statement);
  if (!done) throw std::runtime_error(done.error().message());
}

/// A database of its own, which is there already.
std::unique_ptr<Database> open_scratch(ServerOptions options) {
  options.schema = sql::testing::scratch_name();
  as_owner("CREATE DATABASE " + options.schema);
  return std::make_unique<ScratchDatabase>(open(options),
                                           [name = options.schema] { as_owner("DROP DATABASE IF EXISTS " + name); });
}

INSTANTIATE_TEST_SUITE_P(Mysql, Contract,
                         ::testing::Values(ContractTarget{"mysql",
                                                          [](const ContractSettings& settings) {
                                                            return open_scratch(
                                                                {.url = url(),
                                                                 .statement_timeout = settings.statement_timeout,
                                                                 .lock_timeout = settings.lock_timeout});
                                                          },
                                                          "SELECT SLEEP(30)"}));

INSTANTIATE_TEST_SUITE_P(Mysql, ServerContract,
                         ::testing::Values(ServerTarget{
                             .name = "mysql",
                             .url_variable = "TIDEMARK_TEST_MYSQL_URL",
                             .open = open,
                             .parameters_without_tls = "?ssl-mode=DISABLED",
                             .parameters_with_tls = "?ssl-mode=VERIFY_IDENTITY&ssl-ca=",
                             .session_id = "SELECT CONNECTION_ID()",
                             .kill = "KILL ",
                             .create_user = {"CREATE USER %u IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS 1",
                                             "GRANT SELECT ON %s.* TO %u"},
                             .drop_user = "DROP USER %u",
                             .is_encrypted = "SHOW STATUS LIKE 'Ssl_version'",
                             .make_read_only = "SET SESSION TRANSACTION READ ONLY",
                             .grants = "docs/operations/grants-mysql.sql"}));

/// A server of the test's own, and a database on it with the table `texts`.
class OwnServer : public ::testing::Test {
 protected:
  void start(const std::string& options, int file_kib = 0) {
    server_ = std::make_unique<PrivateServer>("mysql", options, file_kib);
    database_ = open({.url = server_->url(), .schema = "own"});
    const auto created = database_->with_migration_lock([&](Session& session) -> Result<void> {
      TIDEMARK_TRY(session.execute(session.dialect().create_table(
          {shape_.table, {shape_.columns[0].column, shape_.columns[1].column}, {"id"}})));
      return {};
    });
    ASSERT_TRUE(created) << created.error().message();
  }

  /// Writes `rows` rows of `size` bytes.
  Result<void> write(Session& session, int rows, std::size_t size = 100'000) {
    Batch batch(2);
    const std::string text(size, 'x');
    for (int id = 0; id < rows; ++id) {
      batch.begin_row();
      batch.add_int(id);
      batch.add_text(text);
    }
    TIDEMARK_TRY(session.begin());
    TIDEMARK_TRY(session.upsert(shape_, batch));
    return session.commit();
  }

  std::string error_of(const Result<void>& result) {
    return result ? "none" : std::string(traits(result.error().code()).label) + ": " + result.error().message();
  }

  const UpsertShape shape_{
      "texts", {{{"id", Type::kInt}, Merge::kKey}, {{"text", Type::kLongText}, Merge::kReplace}}, ""};
  std::unique_ptr<PrivateServer> server_;
  std::unique_ptr<Database> database_;
};

TEST_F(OwnServer, a_disk_that_is_full_is_told_and_leaves_what_was_committed) {
  start("--innodb-log-file-size=8M", 24 * 1024);
  auto session = database_->connect().value();
  ASSERT_TRUE(write(*session, 10, 200));
  EXPECT_THAT(error_of(write(*session, 200'000, 200)), HasSubstr("disk_full"));
  session->rollback();
  session = database_->connect().value();
  EXPECT_EQ(session->query("SELECT COUNT(*) FROM own.texts", {}, std::vector{Type::kInt}).value(),
            (Rows{{std::int64_t{10}}}));
  EXPECT_EQ(error_of(write(*session, 5, 200)), "none");
}

TEST_F(OwnServer, a_replica_takes_no_writes_until_it_is_promoted) {
  start("");
  const auto owner = database_->connect().value();
  ASSERT_TRUE(owner->execute("CREATE USER writer IDENTIFIED BY 'secret'"));
  ASSERT_TRUE(owner->execute("GRANT SELECT, INSERT, UPDATE ON own.* TO writer"));
  ASSERT_TRUE(owner->execute("SET GLOBAL read_only = 1"));
  std::string writer_url = server_->url();
  writer_url.replace(writer_url.find("tidemark:tidemark"), 17, "writer:secret");
  const auto writer = open({.url = writer_url, .schema = "own"});
  EXPECT_THAT(error_of(write(*writer->connect().value(), 1)), HasSubstr("read_only"));
  ASSERT_TRUE(owner->execute("SET GLOBAL read_only = 0"));
  EXPECT_EQ(error_of(write(*writer->connect().value(), 1)), "none");
}

TEST_F(OwnServer, statements_stay_below_the_packet_limit_and_a_row_above_it_is_rejected) {
  start("--max-allowed-packet=256K");
  auto session = database_->connect().value();
  EXPECT_EQ(error_of(write(*session, 20)), "none");
  Batch batch(2);
  batch.begin_row();
  batch.add_int(1);
  batch.add_text(std::string(300'000, 'x'));
  ASSERT_TRUE(session->begin());
  const auto done = session->upsert(shape_, batch);
  EXPECT_THAT(error_of(done), AllOf(HasSubstr("data_rejected"), HasSubstr("raise max_allowed_packet")));
  session->rollback();
  EXPECT_EQ(error_of(write(*session, 1)), "none") << "the session lives on: nothing was sent";
}

TEST_F(OwnServer, another_default_engine_is_refused_with_the_remedy) {
  PrivateServer server("mysql", "--default-storage-engine=Aria");
  const auto session = open({.url = server.url(), .schema = "mysql"})->connect();
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code(), Errc::kRefused);
  EXPECT_THAT(session.error().message(), HasSubstr("set default_storage_engine to InnoDB"));
}

}  // namespace
}  // namespace tidemark::sql::mysql
