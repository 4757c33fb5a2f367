#include "tidemark/sql/testing/server_contract.hpp"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tidemark/sql/testing/private_server.hpp"
#include "tidemark/sql/testing/scratch_database.hpp"

namespace tidemark::sql::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Short, so that a test sees it pass, and yet long for what a slow machine does before the network breaks; the adapters
// add kNetworkGrace before they give up.
constexpr microseconds kShort = seconds(3);
// What is not for ever: nothing but a defect takes so long, and no time-out of the system is so short.
constexpr microseconds kPatience = seconds(60);

#define ASSERT_DONE(expression)                                                                            \
  do {                                                                                                     \
    const auto& done_result = (expression);                                                                \
    ASSERT_TRUE(done_result.has_value()) << (done_result ? std::string() : done_result.error().message()); \
  } while (false)

#define EXPECT_FAILS(expression, expected)                                          \
  do {                                                                              \
    const auto& failed_result = (expression);                                       \
    EXPECT_FALSE(failed_result.has_value());                                        \
    if (!failed_result) {                                                           \
      EXPECT_EQ(traits(failed_result.error().code()).label, traits(expected).label) \
          << failed_result.error().message();                                       \
    }                                                                               \
  } while (false)

UpsertShape counters() {
  return {"counters", {{{"key", Type::kText, 255}, Merge::kKey}, {{"value", Type::kInt}, Merge::kAdd}}, ""};
}

Batch batch_of(const std::vector<std::string>& keys) {
  Batch batch(2);
  for (const std::string& key : keys) {
    batch.begin_row();
    batch.add_text(key);
    batch.add_int(1);
  }
  return batch;
}

Result<void> create_table(Session& session) {
  const UpsertShape shape = counters();
  const TableShape table{shape.table, {shape.columns[0].column, shape.columns[1].column}, {"key"}};
  TIDEMARK_TRY(session.execute(session.dialect().create_table(table)));
  return {};
}

Result<void> add_one(Session& session, const std::vector<std::string>& keys) {
  TIDEMARK_TRY(session.begin());
  TIDEMARK_TRY(session.upsert(counters(), batch_of(keys)));
  return session.commit();
}

std::int64_t total(Database& database, const std::string& key) {
  const auto session = database.connect();
  if (!session) throw std::runtime_error(session.error().message());
  const auto rows =
      (*session)->query("SELECT \"value\" FROM " + (*session)->dialect().table("counters") + " WHERE \"key\" = ?",
                        std::vector<Value>{key}, std::vector{Type::kInt});
  if (!rows) throw std::runtime_error(rows.error().message());
  return rows->empty() ? 0 : std::get<std::int64_t>(rows->at(0).at(0));
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// The URL with another user and password.
std::string with_user(const std::string& url, const std::string& user, const std::string& password) {
  const std::size_t begin = url.find("://") + 3;
  return url.substr(0, begin) + user + ":" + password + url.substr(url.find('@'));
}

bool is_within(microseconds limit, const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::steady_clock::now() - began < limit;
}

/// A file that is removed again.
class PasswordFile {
 public:
  explicit PasswordFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / (scratch_name() + ".password")) {
    write(text);
  }
  ~PasswordFile() { std::filesystem::remove(path_); }
  PasswordFile(const PasswordFile&) = delete;
  PasswordFile& operator=(const PasswordFile&) = delete;
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  std::string path() const { return path_; }

 private:
  const std::filesystem::path path_;
};

}  // namespace

bool link_server_contract() {
  return true;
}

void PrintTo(const ServerTarget& target, std::ostream* out) {
  *out << target.name;
}

void ServerContract::SetUp() {
  url_ = server_url(GetParam().url_variable);
  schema_ = scratch_name();
  as_owner("CREATE SCHEMA " + schema_);
  const Endpoint endpoint = endpoint_of(url_);
  gate_ = std::make_unique<TcpGate>(endpoint.host, endpoint.port);
}

void ServerContract::TearDown() {
  gate_.reset();
  as_owner("DROP SCHEMA IF EXISTS " + schema_ + (GetParam().name == "postgres" ? " CASCADE" : ""));
  if (!user_.empty()) as_owner(replace_all(GetParam().drop_user, "%u", user_));
}

std::string ServerContract::gated_url() const {
  return with_endpoint(url_, "127.0.0.1", gate_->port()) + GetParam().parameters_without_tls;
}

std::unique_ptr<Database> ServerContract::open(ServerOptions options) const {
  if (options.url.empty()) options.url = url_;
  if (options.schema.empty()) options.schema = schema_;
  return GetParam().open(options);
}

std::unique_ptr<Database> ServerContract::open_gated() const {
  return open(
      {.url = gated_url(), .connect_timeout = kPatience, .statement_timeout = kPatience, .lock_timeout = kPatience});
}

std::unique_ptr<Database> ServerContract::open_gated_for_short() const {
  return open({.url = gated_url(), .connect_timeout = kShort, .statement_timeout = kShort, .lock_timeout = kShort});
}

void ServerContract::as_owner(const std::string& statement) const {
  ServerOptions options{.url = url_};
  if (GetParam().name == "mysql") options.schema = "mysql";
  const auto session = GetParam().open(options)->connect();
  if (!session) throw std::runtime_error(session.error().message());
  const auto done = (*session)->execute(statement);
  if (!done) throw std::runtime_error(statement + ": " + done.error().message());
}

std::string ServerContract::make_user() {
  user_ = "u" + scratch_name();
  for (const std::string& statement : GetParam().create_user) {
    as_owner(replace_all(replace_all(statement, "%u", user_), "%s", schema_));
  }
  return with_user(url_, user_, "secret");
}

// --- The network breaks ---

TEST_P(ServerContract, a_connection_cut_before_commit_leaves_nothing) {
  const auto database = open_gated();
  const auto session = database->connect().value();
  ASSERT_DONE(create_table(*session));
  gate_->cut_before_next_commit();
  EXPECT_FAILS(add_one(*session, {"a", "b"}), Errc::kConnectionLost);
  EXPECT_FALSE(gate_->awaits_commit());
  session->rollback();
  EXPECT_EQ(total(*database, "a"), 0);
  ASSERT_DONE(add_one(*database->connect().value(), {"a", "b"}));
  EXPECT_EQ(total(*database, "a"), 1);
}

TEST_P(ServerContract, a_connection_cut_after_commit_has_kept_all_and_says_that_it_does_not_know) {
  const auto database = open_gated();
  const auto session = database->connect().value();
  ASSERT_DONE(create_table(*session));
  gate_->cut_after_next_commit();
  EXPECT_FAILS(add_one(*session, {"a", "b"}), Errc::kConnectionLost);
  EXPECT_FALSE(gate_->awaits_commit());
  EXPECT_EQ(total(*database, "a"), 1);
  EXPECT_EQ(total(*database, "b"), 1);
}

TEST_P(ServerContract, a_reply_to_commit_that_never_comes_times_out) {
  const auto database = open_gated_for_short();
  const auto session = database->connect().value();
  ASSERT_DONE(create_table(*session));
  gate_->swallow_reply_to_next_commit();
  EXPECT_TRUE(is_within(kPatience, [&] { EXPECT_FAILS(add_one(*session, {"a"}), Errc::kTimeout); }));
  session->rollback();
  EXPECT_EQ(total(*database, "a"), 1);
}

TEST_P(ServerContract, a_network_that_hangs_times_out_and_then_the_session_is_lost) {
  const auto database = open_gated_for_short();
  const auto session = database->connect().value();
  ASSERT_DONE(create_table(*session));
  ASSERT_DONE(session->begin());
  gate_->stall();
  EXPECT_TRUE(is_within(
      kPatience, [&] { EXPECT_FAILS(session->query("SELECT 1", {}, std::vector{Type::kInt}), Errc::kTimeout); }));
  // From now on without waiting: that would end in another time-out.
  EXPECT_FAILS(session->execute("SELECT 1"), Errc::kConnectionLost);
  EXPECT_FAILS(session->commit(), Errc::kConnectionLost);
  session->rollback();
}

TEST_P(ServerContract, a_network_that_hangs_while_much_is_sent_times_out) {
  const auto database = open_gated_for_short();
  const auto session = database->connect().value();
  const UpsertShape shape{
      "texts", {{{"id", Type::kInt}, Merge::kKey}, {{"text", Type::kLongText}, Merge::kReplace}}, ""};
  const TableShape table{shape.table, {shape.columns[0].column, shape.columns[1].column}, {"id"}};
  ASSERT_DONE(session->execute(session->dialect().create_table(table)));
  Batch batch(2);
  const std::string text(100'000, 'x');
  for (int id = 0; id < 400; ++id) {  // 40 MB: more than the sockets on the way hold.
    batch.begin_row();
    batch.add_int(id);
    batch.add_text(text);
  }
  gate_->stall();
  EXPECT_TRUE(is_within(kPatience, [&] { EXPECT_FAILS(session->upsert(shape, batch), Errc::kTimeout); }));
}

TEST_P(ServerContract, a_server_that_hangs_at_the_door_times_out) {
  const auto database = open_gated_for_short();
  gate_->stall();
  EXPECT_TRUE(is_within(kPatience, [&] { EXPECT_FAILS(database->connect(), Errc::kTimeout); }));
}

TEST_P(ServerContract, a_server_that_is_down_is_unavailable_until_it_is_back) {
  const auto database = open_gated();
  auto session = database->connect().value();
  ASSERT_DONE(create_table(*session));
  ASSERT_DONE(session->begin());
  ASSERT_DONE(session->upsert(counters(), batch_of({"a"})));
  gate_->refuse();
  EXPECT_FAILS(session->upsert(counters(), batch_of({"b"})), Errc::kConnectionLost);
  session->rollback();
  EXPECT_FAILS(database->connect(), Errc::kUnavailable);
  gate_->open();
  EXPECT_EQ(total(*database, "a"), 0);
  session = database->connect().value();
  ASSERT_DONE(add_one(*session, {"a"}));
  gate_->cut();
  EXPECT_FAILS(add_one(*session, {"a"}), Errc::kConnectionLost);
  EXPECT_EQ(total(*database, "a"), 1);
}

TEST_P(ServerContract, a_port_where_nobody_listens_is_unavailable) {
  const std::uint16_t port = gate_->port();
  const std::string url = gated_url();
  gate_.reset();
  EXPECT_NE(port, 0);
  EXPECT_FAILS(open({.url = url})->connect(), Errc::kUnavailable);
}

// --- The server and its administrator ---

TEST_P(ServerContract, a_session_that_the_administrator_ends_is_lost_and_undone) {
  const auto database = open({});
  const auto session = database->connect().value();
  ASSERT_DONE(create_table(*session));
  ASSERT_DONE(session->begin());
  ASSERT_DONE(session->upsert(counters(), batch_of({"a"})));
  const auto id = session->query(GetParam().session_id, {}, std::vector{Type::kInt});
  ASSERT_DONE(id);
  as_owner(GetParam().kill + std::to_string(std::get<std::int64_t>(id->at(0).at(0))) +
           (GetParam().kill.ends_with('(') ? ")" : ""));
  EXPECT_FAILS(session->commit(), Errc::kConnectionLost);
  session->rollback();
  EXPECT_EQ(total(*database, "a"), 0);
}

TEST_P(ServerContract, a_server_that_restarts_has_kept_what_was_committed_and_nothing_else) {
  PrivateServer server(GetParam().name);
  const auto database = open({.url = server.url()});
  ASSERT_DONE(database->with_migration_lock(create_table));
  const auto session = database->connect().value();
  ASSERT_DONE(add_one(*session, {"a"}));
  ASSERT_DONE(session->begin());
  ASSERT_DONE(session->upsert(counters(), batch_of({"a"})));
  server.stop();
  EXPECT_FAILS(session->commit(), Errc::kConnectionLost);
  session->rollback();
  EXPECT_FAILS(database->connect(), Errc::kUnavailable);
  server.start();
  ASSERT_DONE(add_one(*database->connect().value(), {"b"}));
  EXPECT_EQ(total(*database, "a"), 1);
  EXPECT_EQ(total(*database, "b"), 1);
}

TEST_P(ServerContract, a_deadlock_is_contention_for_one_and_nothing_for_the_other) {
  const auto database = open({});
  const auto first = database->connect().value();
  const auto second = database->connect().value();
  ASSERT_DONE(create_table(*first));
  ASSERT_DONE(add_one(*first, {"a", "b"}));
  ASSERT_DONE(first->begin());
  ASSERT_DONE(second->begin());
  ASSERT_DONE(first->upsert(counters(), batch_of({"a"})));
  ASSERT_DONE(second->upsert(counters(), batch_of({"b"})));
  Result<void> first_done;
  const auto go_on = [](Session& session, const std::string& key) -> Result<void> {
    if (auto done = session.upsert(counters(), batch_of({key})); !done) {
      session.rollback();
      return done;
    }
    return session.commit();
  };
  std::jthread other([&] { first_done = go_on(*first, "b"); });
  const Result<void> second_done = go_on(*second, "a");
  other.join();
  EXPECT_NE(first_done.has_value(), second_done.has_value());
  EXPECT_FAILS(first_done ? second_done : first_done, Errc::kContention);
  EXPECT_EQ(total(*database, "a"), 2);
  EXPECT_EQ(total(*database, "b"), 2);
}

TEST_P(ServerContract, too_many_connections_are_unavailable_and_then_there_is_room_again) {
  const auto database = open({.url = make_user()});
  auto session = database->connect();
  ASSERT_DONE(session);
  EXPECT_FAILS(database->connect(), Errc::kUnavailable);
  session->reset();
  // The server notices in its own time that the session has gone.
  Result<std::unique_ptr<Session>> again = fail(Errc::kInternal, "not tried");
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!again && std::chrono::steady_clock::now() < until) again = database->connect();
  ASSERT_DONE(again);
}

TEST_P(ServerContract, a_wrong_password_is_unauthenticated_and_never_shown) {
  const auto database = open({.url = with_user(url_, "nobody", "hunter2")});
  const auto session = database->connect();
  EXPECT_FAILS(session, Errc::kUnauthenticated);
  EXPECT_THAT(session.error().message(), Not(HasSubstr("hunter2")));
  EXPECT_THAT(database->display_name(), Not(HasSubstr("hunter2")));
  EXPECT_THAT(database->display_name(), HasSubstr("nobody@127.0.0.1"));
}

TEST_P(ServerContract, the_password_file_wins_and_is_read_again_at_each_connection) {
  const PasswordFile file("secret\n");
  const std::string url = with_user(make_user(), user_, "wrong");
  const auto database = open({.url = url, .password_file = file.path(), .password = "wrong too"});
  ASSERT_DONE(database->connect());
  file.write("rotated");
  EXPECT_FAILS(database->connect(), Errc::kUnauthenticated);
  EXPECT_FAILS(open({.url = url, .password_file = file.path() + ".absent"})->connect(), Errc::kNotFound);
}

TEST_P(ServerContract, a_password_beside_the_url_is_used_where_the_url_has_none) {
  const std::string url = make_user();
  const std::string without = replace_all(url, ":secret@", "@");
  ASSERT_DONE(open({.url = without, .password = "secret"})->connect());
  EXPECT_FAILS(open({.url = without, .password = "wrong"})->connect(), Errc::kUnauthenticated);
}

TEST_P(ServerContract, a_database_that_is_not_there_is_refused_with_the_remedy) {
  ServerOptions options{.url = url_.substr(0, url_.rfind('/') + 1) + "absent"};
  const auto session = GetParam().open(options)->connect();
  EXPECT_FAILS(session, Errc::kRefused);
  EXPECT_THAT(session.error().message(), HasSubstr("create the database"));
}

TEST_P(ServerContract, a_migration_creates_the_schema_and_later_ones_need_no_right_to) {
  const std::string schema = schema_;
  as_owner("DROP SCHEMA " + schema);
  const auto migrate = [](Session& session) { return create_table(session); };
  ASSERT_DONE(open({})->with_migration_lock(migrate));
  const auto limited = open({.url = make_user()});
  ASSERT_DONE(limited->with_migration_lock([](Session&) -> Result<void> { return {}; }));
  EXPECT_FAILS(limited->with_migration_lock([](Session& session) -> Result<void> {
    TIDEMARK_TRY(session.execute("CREATE TABLE " + session.dialect().table("more") + " (id INT)"));
    return {};
  }),
               Errc::kForbidden);
}

TEST_P(ServerContract, rights_that_are_missing_are_named_with_the_remedy) {
  ASSERT_DONE(create_table(*open({})->connect().value()));
  const auto session = open({.url = make_user()})->connect().value();
  const auto done = session->upsert(counters(), batch_of({"a"}));
  EXPECT_FAILS(done, Errc::kForbidden);
  EXPECT_THAT(done.error().message(), HasSubstr("docs/operations/grants-"));
}

TEST_P(ServerContract, a_database_that_takes_no_writes_is_read_only) {
  const auto session = open({})->connect().value();
  ASSERT_DONE(create_table(*session));
  ASSERT_DONE(session->execute(GetParam().make_read_only));
  ASSERT_DONE(session->begin());
  EXPECT_FAILS(session->upsert(counters(), batch_of({"a"})), Errc::kReadOnly);
  session->rollback();
}

TEST_P(ServerContract, tls_verifies_the_server_against_its_authority) {
  const std::string authority = server_url("TIDEMARK_TEST_SERVERS_CA");
  const auto encrypted = [&](const std::string& url) {
    const auto session = open({.url = url})->connect();
    if (!session) return session.error().message();
    const auto rows = (*session)->query(GetParam().is_encrypted, {}, std::vector{Type::kText, Type::kText});
    return rows ? std::get<std::string>(rows->at(0).at(1)) : rows.error().message();
  };
  EXPECT_THAT(encrypted(url_ + GetParam().parameters_with_tls + authority), ::testing::MatchesRegex("on|TLS.*"));
  EXPECT_THAT(encrypted(url_ + GetParam().parameters_without_tls), ::testing::AnyOf("off", ""));
  // A certificate that another authority has signed.
  const PasswordFile empty("");
  const auto session = open({.url = url_ + GetParam().parameters_with_tls + empty.path()})->connect();
  EXPECT_FAILS(session, Errc::kUnavailable);
}

TEST_P(ServerContract, the_script_of_least_rights_is_enough_and_no_more) {
  user_ = "u" + scratch_name();
  std::ifstream file(repository_path(GetParam().grants));
  ASSERT_TRUE(file) << GetParam().grants;
  std::string script;
  for (std::string line; std::getline(file, line);) script += line.substr(0, line.find("--")) + "\n";
  script = replace_all(replace_all(script, "tidemark_reader", user_ + "_r"), "change-me", "secret");
  script = replace_all(replace_all(script, "tidemark_user", user_), "tidemark_schema", schema_);
  as_owner("DROP SCHEMA " + schema_);
  std::istringstream statements(script);
  for (std::string statement; std::getline(statements, statement, ';');) {
    if (statement.find_first_not_of(" \n") != std::string::npos) as_owner(statement);
  }
  const auto database = open({.url = with_user(url_, user_, "secret")});
  ASSERT_DONE(database->with_migration_lock([](Session& session) -> Result<void> {
    TIDEMARK_TRY(create_table(session));
    const std::string table = session.dialect().table("counters");
    const std::string view = session.dialect().table("counters_view");
    TIDEMARK_TRY(session.execute("CREATE OR REPLACE VIEW " + view + " AS SELECT * FROM " + table));
    TIDEMARK_TRY(session.execute("CREATE OR REPLACE VIEW " + view + " AS SELECT * FROM " + table));
    TIDEMARK_TRY(session.execute("ALTER TABLE " + table + " ADD COLUMN later BIGINT"));
    return {};
  }));
  const auto session = database->connect().value();
  ASSERT_DONE(add_one(*session, {"a"}));
  std::vector<bool> inserted;
  ASSERT_DONE(session->insert_missing(counters(), batch_of({"a", "b"}), inserted));
  ASSERT_DONE(session->execute("DELETE FROM " + session->dialect().table("counters")));
  EXPECT_FAILS(session->execute("CREATE SCHEMA " + scratch_name()), Errc::kForbidden);

  // People read, and that is all.
  const auto reader = open({.url = with_user(url_, user_ + "_r", "secret")})->connect();
  ASSERT_DONE(reader);
  ASSERT_DONE((*reader)->query("SELECT COUNT(*) FROM " + (*reader)->dialect().table("counters_view"), {},
                               std::vector{Type::kInt}));
  EXPECT_FAILS(add_one(**reader, {"a"}), Errc::kForbidden);
  as_owner("DROP SCHEMA " + schema_ + (GetParam().name == "postgres" ? " CASCADE" : ""));
  as_owner(replace_all(GetParam().drop_user, "%u", user_ + "_r"));
}

}  // namespace tidemark::sql::testing
