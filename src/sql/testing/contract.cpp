#include "tidemark/sql/testing/contract.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <limits>
#include <map>
#include <thread>

#include "tidemark/sql/statement.hpp"

namespace tidemark::sql::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kIntMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kIntMax = std::numeric_limits<std::int64_t>::max();
constexpr Value kNothing = std::monostate{};

Decimal decimal(std::string_view text) {
  return Decimal::parse(text).value();
}
Timestamp time(std::string_view text) {
  return parse_rfc3339(text).value();
}

TableShape table_of(const UpsertShape& shape) {
  TableShape table{shape.table, {}, {}};
  for (const UpsertColumn& column : shape.columns) {
    table.columns.push_back(column.column);
    if (column.merge == Merge::kKey) table.primary_key.push_back(column.column.name);
  }
  return table;
}

/// Names that are reserved words in one database or the other, on purpose.
UpsertShape counters() {
  return {"order", {{{"key", Type::kText, 255}, Merge::kKey}, {{"value", Type::kInt}, Merge::kAdd}}, ""};
}

/// One key and one value column.
UpsertShape single(Type type, int size, Merge merge, bool nullable = false) {
  return {"single", {{{"id", Type::kInt}, Merge::kKey}, {{"value", type, size, nullable}, merge}}, ""};
}

UpsertShape latest() {
  return {"latest",
          {{{"id", Type::kInt}, Merge::kKey},
           {{"value", Type::kDecimal}, Merge::kLatest},
           {{"label", Type::kText, 255}, Merge::kLatest},
           {{"last_time", Type::kTime}, Merge::kMax}},
          "last_time"};
}

/// Every type as part of the key.
UpsertShape wide_key() {
  return {"wide",
          {{{"tenant", Type::kKeyText, 64}, Merge::kKey},
           {{"subject", Type::kText, 255}, Merge::kKey},
           {{"hash", Type::kBytes, 16}, Merge::kKey},
           {{"resource", Type::kUuid}, Merge::kKey},
           {{"window_start", Type::kTime}, Merge::kKey},
           {{"number", Type::kInt}, Merge::kKey},
           {{"value", Type::kInt}, Merge::kAdd}},
          ""};
}

void add_value(Batch& batch, Type type, const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return batch.add_null();
  switch (type) {
    case Type::kInt:
      return batch.add_int(std::get<std::int64_t>(value));
    case Type::kDecimal:
      return batch.add_decimal(std::get<Decimal>(value));
    case Type::kTime:
      return batch.add_time(std::get<Timestamp>(value));
    case Type::kText:
    case Type::kKeyText:
    case Type::kLongText:
    case Type::kBytes:
    case Type::kUuid:
      return batch.add_text(std::get<std::string>(value));
  }
}

/// The rows, which are in key order, as a batch of the shape's first columns.
Batch batch_of(const UpsertShape& shape, const std::vector<Row>& rows, std::size_t columns) {
  Batch batch(columns);
  for (const Row& row : rows) {
    batch.begin_row();
    for (std::size_t column = 0; column < columns; ++column) {
      add_value(batch, shape.columns[column].column.type, row[column]);
    }
  }
  return batch;
}

Batch batch_of(const UpsertShape& shape, const std::vector<Row>& rows) {
  return batch_of(shape, rows, shape.columns.size());
}

void create(Session& session, const UpsertShape& shape) {
  ASSERT_TRUE(session.execute(session.dialect().create_table(table_of(shape))));
}

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

/// Runs `work` in a transaction of its own.
void in_transaction(Session& session, const std::function<Result<void>()>& work) {
  ASSERT_DONE(session.begin());
  ASSERT_DONE(work());
  ASSERT_DONE(session.commit());
}

void upsert(Session& session, const UpsertShape& shape, const std::vector<Row>& rows) {
  in_transaction(session, [&] { return session.upsert(shape, batch_of(shape, rows)); });
}

/// The value column of the single-table row `id`.
Value stored(Session& session, const UpsertShape& shape, std::int64_t id) {
  const auto found = session.read_by_key(shape, batch_of(shape, {{id}}, 1));
  if (!found) {
    ADD_FAILURE() << found.error().message();
    return kNothing;
  }
  if (!found->at(0)) {
    ADD_FAILURE() << "no row " << id;
    return kNothing;
  }
  return found->at(0)->at(0);
}

std::string select_all(const Session& session, const UpsertShape& shape) {
  std::vector<std::string> names;
  for (const UpsertColumn& column : shape.columns) names.push_back(quote_identifier(column.column.name));
  return "SELECT " + join(names, ", ") + " FROM " + session.dialect().table(shape.table) + " ORDER BY 1";
}

std::int64_t count_rows(Session& session, const UpsertShape& shape) {
  const auto rows =
      session.query("SELECT COUNT(*) FROM " + session.dialect().table(shape.table), {}, std::vector{Type::kInt});
  if (!rows) {
    ADD_FAILURE() << rows.error().message();
    return -1;
  }
  return std::get<std::int64_t>(rows->at(0).at(0));
}

/// Stores each value by a bulk write and by a statement, and reads both back by key and by query.
void expect_round_trip(Session& session, Type type, int size, const std::vector<Value>& values) {
  const UpsertShape shape = single(type, size, Merge::kReplace, true);
  create(session, shape);
  std::vector<Row> rows;
  for (const Value& value : values) rows.push_back({static_cast<std::int64_t>(rows.size()), value});
  upsert(session, shape, rows);
  if (type != Type::kBytes) {
    const std::string insert = "INSERT INTO " + session.dialect().table(shape.table) + " (id, value) VALUES (?, ?)";
    for (const Value& value : values) {
      rows.push_back({static_cast<std::int64_t>(rows.size()), value});
      ASSERT_DONE(session.execute(insert, rows.back()));
    }
  }
  const auto found = session.query(select_all(session, shape), {}, std::vector{Type::kInt, type});
  ASSERT_DONE(found);
  EXPECT_EQ(*found, rows);
  const auto by_key = session.read_by_key(shape, batch_of(shape, rows, 1));
  ASSERT_DONE(by_key);
  for (std::size_t row = 0; row < rows.size(); ++row) EXPECT_EQ(by_key->at(row), Row{rows[row][1]}) << row;
}

std::string repeat(std::string_view text, int times) {
  std::string repeated;
  for (int i = 0; i < times; ++i) repeated += text;
  return repeated;
}

std::vector<Value> awkward_texts() {
  std::vector<Value> texts{"",
                           " ",
                           "a ",
                           " a",
                           "plain",
                           "A",
                           "\\",
                           "\\N",
                           "NULL",
                           "a\tb",
                           "a\nb\r\n",
                           "'\"`",
                           "it''s",
                           "100%_?$1",
                           "{a,\"b\"}",
                           "é",
                           "e\u0301",
                           "ß",
                           "日本語",
                           "🌊",
                           "👩‍👩‍👧‍👦",
                           "\x01\x1f\x7f",
                           "\x1b[0m",
                           "\\x41\\"};
  texts.push_back(repeat("x", 255));
  texts.push_back(repeat("é", 255));
  texts.push_back(repeat("🌊", 255));
  std::string controls;
  for (char c = 1; c < 32; ++c) controls += c;
  texts.push_back(controls);
  return texts;
}

}  // namespace

bool link_contract() {
  return true;
}

Value Contract::merged(Type type, Merge merge, const std::vector<Value>& values) {
  const UpsertShape shape = single(type, 255, merge, true);
  EXPECT_TRUE(session_->execute("DROP TABLE IF EXISTS " + session_->dialect().table(shape.table)));
  create(*session_, shape);
  for (const Value& value : values) upsert(*session_, shape, {{std::int64_t{1}, value}});
  return stored(*session_, shape, 1);
}

void Contract::open(const ContractSettings& settings) {
  session_.reset();
  database_ = GetParam().open_empty(settings);
  session_ = connect();
  ASSERT_NE(session_, nullptr);
}

std::unique_ptr<Session> Contract::connect() {
  auto session = database_->connect();
  if (!session) {
    ADD_FAILURE() << session.error().message();
    return nullptr;
  }
  return std::move(*session);
}

// --- Values ---

TEST_P(Contract, text_comes_back_equal) {
  expect_round_trip(*session_, Type::kText, 255, awkward_texts());
}

TEST_P(Contract, long_text_comes_back_equal) {
  std::vector<Value> texts = awkward_texts();
  texts.push_back(repeat("payload 🌊\n", 10'000));
  texts.push_back(kNothing);
  expect_round_trip(*session_, Type::kLongText, 0, texts);
}

TEST_P(Contract, key_text_comes_back_equal) {
  expect_round_trip(*session_, Type::kKeyText, 64, {"default", "TOTAL", repeat("t", 64), "", kNothing});
}

TEST_P(Contract, integers_come_back_equal) {
  expect_round_trip(*session_, Type::kInt, 0, {std::int64_t{0}, std::int64_t{-1}, kIntMin, kIntMax, kNothing});
}

TEST_P(Contract, decimals_come_back_equal) {
  std::vector<Value> values{kNothing};
  for (const char* text : {"0", "1", "-1", "0.000000000001", "-0.000000000001", "0.1", "123456789012345.123456789012",
                           "-123456789012345.123456789012", "9223372036854775807", "9223372036854775808",
                           "-9223372036854775808", "-9223372036854775809", "99999999999999999999999999.999999999999",
                           "-99999999999999999999999999.999999999999"}) {
    values.push_back(decimal(text));
  }
  expect_round_trip(*session_, Type::kDecimal, 0, values);
}

TEST_P(Contract, times_come_back_equal_to_the_microsecond) {
  std::vector<Value> values{kNothing};
  for (const char* text :
       {"1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2024-02-29T12:00:00.000001Z", "2024-03-31T01:30:00Z",
        "2024-03-31T02:30:00Z", "1000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"}) {
    values.push_back(time(text));
  }
  expect_round_trip(*session_, Type::kTime, 0, values);
}

TEST_P(Contract, bytes_come_back_equal) {
  std::string every;
  for (int c = 0; c < 16; ++c) every += static_cast<char>(c * 17);
  expect_round_trip(*session_, Type::kBytes, 16,
                    {std::string(16, '\0'), std::string(16, '\xff'), every, "\\x41\\N\n\t\r'\"`;,{}", kNothing});
}

TEST_P(Contract, uuids_come_back_as_canonical_text) {
  expect_round_trip(*session_, Type::kUuid, 0,
                    {"00000000-0000-0000-0000-000000000000", "c8a7f6de-3d7c-4f0b-9b7c-0f1e2d3c4b5a",
                     "ffffffff-ffff-ffff-ffff-ffffffffffff", kNothing});
}

TEST_P(Contract, texts_that_differ_in_a_byte_are_different_keys) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  std::vector<std::string> keys{"a",  "A", "a ", "a  ", " a", "á", "a\u0301", "à", "Á", "ä", "ae", "æ",  "ß", "ss",
                                "SS", "ﬁ", "fi", "a\t", "",   " ", "ı",       "i", "I", "İ", "🌊", "🏄", "ｶ", "カ"};
  std::sort(keys.begin(), keys.end());
  std::vector<Row> rows;
  for (const std::string& key : keys) rows.push_back({key, std::int64_t{1}});
  upsert(*session_, shape, rows);
  upsert(*session_, shape, rows);
  EXPECT_EQ(count_rows(*session_, shape), static_cast<std::int64_t>(keys.size()));

  const std::string update = "UPDATE " + session_->dialect().table("order") + R"( SET "value" = 7 WHERE "key" = ?)";
  for (const std::string& key : keys) {
    EXPECT_EQ(session_->execute(update, std::vector<Value>{key}).value(), 1) << '<' << key << '>';
  }
  const auto ordered = session_->query(select_all(*session_, shape), {}, std::vector{Type::kText, Type::kInt});
  ASSERT_DONE(ordered);
  std::vector<std::string> found;
  for (const Row& row : *ordered) found.push_back(std::get<std::string>(row[0]));
  EXPECT_EQ(found, keys) << "not ordered by bytes";
}

TEST_P(Contract, times_are_compared_by_statements) {
  const UpsertShape shape = single(Type::kTime, 0, Merge::kReplace);
  create(*session_, shape);
  const Timestamp second = time("2024-01-01T00:00:00Z");
  upsert(
      *session_, shape,
      {{std::int64_t{1}, second}, {std::int64_t{2}, second + microseconds(1)}, {std::int64_t{3}, second + seconds(1)}});
  const auto count = [&](const char* condition) {
    const std::string query =
        "SELECT COUNT(*) FROM " + session_->dialect().table("single") + " WHERE value " + condition + " ?";
    return std::get<std::int64_t>(
        session_->query(query, std::vector<Value>{second + microseconds(1)}, std::vector{Type::kInt}).value()[0][0]);
  };
  EXPECT_EQ(count("<"), 1);
  EXPECT_EQ(count("="), 1);
  EXPECT_EQ(count(">"), 1);
}

TEST_P(Contract, text_longer_than_its_column_is_rejected) {
  const UpsertShape shape = single(Type::kText, 255, Merge::kReplace);
  create(*session_, shape);
  ASSERT_DONE(session_->begin());
  ASSERT_DONE(session_->upsert(shape, batch_of(shape, {{std::int64_t{1}, "fits"}})));
  EXPECT_FAILS(session_->upsert(shape, batch_of(shape, {{std::int64_t{2}, repeat("é", 256)}})), Errc::kDataRejected);
  session_->rollback();
  session_ = connect();
  EXPECT_EQ(count_rows(*session_, shape), 0);
}

TEST_P(Contract, null_where_none_may_be_is_rejected) {
  const UpsertShape shape = single(Type::kInt, 0, Merge::kReplace);
  create(*session_, shape);
  ASSERT_DONE(session_->begin());
  EXPECT_FAILS(session_->upsert(shape, batch_of(shape, {{std::int64_t{1}, kNothing}})), Errc::kDataRejected);
  session_->rollback();
}

// --- Merging ---

TEST_P(Contract, add_sums_exactly) {
  const UpsertShape integers = counters();
  create(*session_, integers);
  upsert(*session_, integers, {{"a", std::int64_t{5}}, {"b", kIntMax}});
  upsert(*session_, integers, {{"a", std::int64_t{-7}}, {"b", std::int64_t{-1}}, {"c", std::int64_t{1}}});
  const auto rows = session_->query(select_all(*session_, integers), {}, std::vector{Type::kText, Type::kInt});
  ASSERT_DONE(rows);
  EXPECT_THAT(*rows, ElementsAre(Row{"a", std::int64_t{-2}}, Row{"b", kIntMax - 1}, Row{"c", std::int64_t{1}}));
}

TEST_P(Contract, add_sums_decimals_across_every_representation) {
  const UpsertShape shape = single(Type::kDecimal, 0, Merge::kAdd, true);
  create(*session_, shape);
  struct Sum {
    const char* stored;
    const char* added;
    const char* result;
  };
  constexpr Sum kSums[] = {
      {"0.1", "0.2", "0.3"},
      {"9223372036854775807", "1", "9223372036854775808"},
      {"9223372036854775808", "-1", "9223372036854775807"},
      {"0.5", "0.5", "1"},
      {"1", "0.000000000001", "1.000000000001"},
      {"99999999999999999999999999.999999999998", "0.000000000001", "99999999999999999999999999.999999999999"},
      {"9007199254740993", "9007199254740993", "18014398509481986"},
      {"-5", "5", "0"},
  };
  std::int64_t id = 0;
  for (const Sum& sum : kSums) {
    upsert(*session_, shape, {{++id, decimal(sum.stored)}});
    upsert(*session_, shape, {{id, decimal(sum.added)}});
    EXPECT_EQ(stored(*session_, shape, id), Value(decimal(sum.result))) << sum.stored << " + " << sum.added;
  }
}

TEST_P(Contract, null_loses) {
  const Value one = decimal("1");
  const Value moment = time("2024-01-01T00:00:00Z");
  for (const Merge merge : {Merge::kAdd, Merge::kMin, Merge::kMax}) {
    EXPECT_EQ(merged(Type::kDecimal, merge, {kNothing, one}), one);
    EXPECT_EQ(merged(Type::kDecimal, merge, {one, kNothing}), one);
    EXPECT_EQ(merged(Type::kDecimal, merge, {kNothing, kNothing}), kNothing);
    EXPECT_EQ(merged(Type::kInt, merge, {kNothing, std::int64_t{3}, kNothing}), Value(std::int64_t{3}));
  }
  EXPECT_EQ(merged(Type::kTime, Merge::kMin, {kNothing, moment, kNothing}), moment);
  EXPECT_EQ(merged(Type::kTime, Merge::kMax, {kNothing, moment, kNothing}), moment);
}

TEST_P(Contract, min_keeps_the_lesser_and_max_the_greater) {
  const auto expect = [&](Type type, const Value& lesser, const Value& greater) {
    EXPECT_EQ(merged(type, Merge::kMin, {lesser, greater}), lesser);
    EXPECT_EQ(merged(type, Merge::kMin, {greater, lesser}), lesser);
    EXPECT_EQ(merged(type, Merge::kMax, {lesser, greater}), greater);
    EXPECT_EQ(merged(type, Merge::kMax, {greater, lesser}), greater);
  };
  expect(Type::kInt, std::int64_t{-10}, std::int64_t{9});
  expect(Type::kDecimal, decimal("9"), decimal("10"));
  expect(Type::kDecimal, decimal("9.5"), decimal("10"));
  expect(Type::kDecimal, decimal("-10.5"), decimal("-9"));
  expect(Type::kDecimal, decimal("9223372036854775807"), decimal("9223372036854775808"));
  expect(Type::kTime, time("2024-01-01T00:00:00Z"), time("2024-01-01T00:00:00.000001Z"));
  expect(Type::kTime, time("1969-12-31T23:59:59.999999Z"), time("1970-01-01T00:00:00Z"));
}

TEST_P(Contract, replace_takes_the_new_and_keep_the_old) {
  EXPECT_EQ(merged(Type::kText, Merge::kReplace, {"old", "new"}), Value("new"));
  EXPECT_EQ(merged(Type::kText, Merge::kReplace, {"old", kNothing}), kNothing);
  EXPECT_EQ(merged(Type::kText, Merge::kKeep, {"old", "new"}), Value("old"));
  EXPECT_EQ(merged(Type::kText, Merge::kKeep, {kNothing, "new"}), kNothing);
}

TEST_P(Contract, latest_takes_the_newer_and_on_a_tie_the_new) {
  const UpsertShape shape = latest();
  create(*session_, shape);
  const auto write = [&](const char* value, const char* label, const char* at) {
    upsert(*session_, shape, {{std::int64_t{1}, decimal(value), label, time(at)}});
  };
  const auto expect = [&](const char* value, const char* label, const char* at) {
    const auto found = session_->read_by_key(shape, batch_of(shape, {{std::int64_t{1}}}, 1));
    ASSERT_DONE(found);
    EXPECT_EQ(found->at(0), (Row{decimal(value), label, time(at)}));
  };
  write("1", "first", "2024-01-02T00:00:00Z");
  write("2", "earlier", "2024-01-01T23:59:59.999999Z");
  expect("1", "first", "2024-01-02T00:00:00Z");
  write("3", "tie", "2024-01-02T00:00:00Z");
  expect("3", "tie", "2024-01-02T00:00:00Z");
  write("4", "later", "2024-01-02T00:00:00.000001Z");
  expect("4", "later", "2024-01-02T00:00:00.000001Z");
}

TEST_P(Contract, a_sum_out_of_range_is_an_overflow_and_leaves_nothing_after_rollback) {
  const UpsertShape integers = counters();
  create(*session_, integers);
  upsert(*session_, integers, {{"high", kIntMax}, {"low", kIntMin}});
  const auto expect_overflow = [&](const std::vector<Row>& rows) {
    ASSERT_DONE(session_->begin());
    ASSERT_DONE(session_->upsert(integers, batch_of(integers, {{"before", std::int64_t{1}}})));
    EXPECT_FAILS(session_->upsert(integers, batch_of(integers, rows)), Errc::kOverflow);
    session_->rollback();
    session_ = connect();
  };
  expect_overflow({{"a", std::int64_t{1}}, {"high", std::int64_t{1}}, {"z", std::int64_t{1}}});
  expect_overflow({{"low", std::int64_t{-1}}});
  const auto rows = session_->query(select_all(*session_, integers), {}, std::vector{Type::kText, Type::kInt});
  ASSERT_DONE(rows);
  EXPECT_THAT(*rows, ElementsAre(Row{"high", kIntMax}, Row{"low", kIntMin}));
}

TEST_P(Contract, a_decimal_sum_out_of_range_is_an_overflow) {
  const UpsertShape shape = single(Type::kDecimal, 0, Merge::kAdd);
  create(*session_, shape);
  const Decimal most = decimal("99999999999999999999999999.999999999999");
  upsert(*session_, shape, {{std::int64_t{1}, most}});
  ASSERT_DONE(session_->begin());
  EXPECT_FAILS(session_->upsert(shape, batch_of(shape, {{std::int64_t{1}, decimal("0.000000000001")}})),
               Errc::kOverflow);
  session_->rollback();
  session_ = connect();
  EXPECT_EQ(stored(*session_, shape, 1), Value(most));
}

// --- Bulk calls ---

TEST_P(Contract, insert_missing_tells_which_rows_it_inserted_and_keeps_the_others) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  upsert(*session_, shape, {{"b", std::int64_t{20}}, {"d", std::int64_t{40}}});
  std::vector<bool> inserted{true};
  in_transaction(*session_, [&] {
    return session_->insert_missing(
        shape,
        batch_of(shape,
                 {{"a", std::int64_t{1}}, {"b", std::int64_t{2}}, {"c", std::int64_t{3}}, {"d", std::int64_t{4}}}),
        inserted);
  });
  EXPECT_EQ(inserted, (std::vector<bool>{true, false, true, false}));
  const auto rows = session_->query(select_all(*session_, shape), {}, std::vector{Type::kText, Type::kInt});
  ASSERT_DONE(rows);
  EXPECT_THAT(*rows, ElementsAre(Row{"a", std::int64_t{1}}, Row{"b", std::int64_t{20}}, Row{"c", std::int64_t{3}},
                                 Row{"d", std::int64_t{40}}));
}

TEST_P(Contract, insert_missing_works_where_all_columns_are_the_key) {
  const UpsertShape shape{"members", {{{"hash", Type::kBytes, 16}, Merge::kKey}}, ""};
  create(*session_, shape);
  const std::vector<Row> rows{{std::string(16, '\x01')}, {std::string(16, '\xfe')}};
  std::vector<bool> inserted;
  in_transaction(*session_, [&] { return session_->insert_missing(shape, batch_of(shape, rows), inserted); });
  EXPECT_EQ(inserted, (std::vector<bool>{true, true}));
  in_transaction(*session_, [&] { return session_->insert_missing(shape, batch_of(shape, rows), inserted); });
  EXPECT_EQ(inserted, (std::vector<bool>{false, false}));
  upsert(*session_, shape, rows);
  EXPECT_EQ(count_rows(*session_, shape), 2);
}

TEST_P(Contract, keys_of_every_type_are_found_again) {
  const UpsertShape shape = wide_key();
  create(*session_, shape);
  const auto key = [](std::string_view subject, char hash, std::int64_t number) {
    return Row{"default",
               std::string(subject),
               std::string(16, hash),
               "c8a7f6de-3d7c-4f0b-9b7c-0f1e2d3c4b5a",
               time("2024-01-01T00:00:00Z"),
               number};
  };
  const auto with_value = [](Row row, std::int64_t value) {
    row.emplace_back(value);
    return row;
  };
  const std::vector<Row> rows{with_value(key("a", '\x01', 1), 10), with_value(key("a", '\xff', 1), 20),
                              with_value(key("a ", '\x01', 1), 30), with_value(key("b", '\x00', -1), 40)};
  upsert(*session_, shape, rows);
  upsert(*session_, shape, rows);
  EXPECT_EQ(count_rows(*session_, shape), 4);
  const auto found =
      session_->read_by_key(shape, batch_of(shape,
                                            {key("A", '\x01', 1), key("a", '\x01', 1), key("a", '\xff', 1),
                                             key("a", '\xff', 2), key("a ", '\x01', 1), key("b", '\x00', -1)},
                                            6));
  ASSERT_DONE(found);
  EXPECT_THAT(*found, ElementsAre(std::nullopt, Row{std::int64_t{20}}, Row{std::int64_t{40}}, std::nullopt,
                                  Row{std::int64_t{60}}, Row{std::int64_t{80}}));
}

TEST_P(Contract, an_empty_batch_changes_nothing) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  std::vector<bool> inserted{true};
  in_transaction(*session_, [&]() -> Result<void> {
    TIDEMARK_TRY(session_->upsert(shape, Batch(2)));
    return session_->insert_missing(shape, Batch(2), inserted);
  });
  EXPECT_THAT(inserted, IsEmpty());
  EXPECT_THAT(session_->read_by_key(shape, Batch(1)).value(), IsEmpty());
  EXPECT_EQ(count_rows(*session_, shape), 0);
}

TEST_P(Contract, a_hundred_thousand_rows_go_in_as_one_batch) {
  constexpr std::int64_t kRows = 100'000;
  const UpsertShape shape = single(Type::kDecimal, 0, Merge::kAdd);
  create(*session_, shape);
  Batch batch(2);
  Batch keys(1);
  for (std::int64_t id = 0; id < kRows; ++id) {
    batch.begin_row();
    batch.add_int(id);
    batch.add_decimal(Decimal::from_units(id + 1));
    keys.begin_row();
    keys.add_int(id * 2);
  }
  for (int times = 0; times < 2; ++times) {
    in_transaction(*session_, [&] { return session_->upsert(shape, batch); });
  }
  EXPECT_EQ(count_rows(*session_, shape), kRows);
  const auto found = session_->read_by_key(shape, keys);
  ASSERT_DONE(found);
  ASSERT_EQ(found->size(), static_cast<std::size_t>(kRows));
  for (std::int64_t row = 0; row < kRows; ++row) {
    const std::optional<Row>& values = found->at(static_cast<std::size_t>(row));
    ASSERT_EQ(values.has_value(), row * 2 < kRows) << row;
    if (values) {
      ASSERT_EQ(values->at(0), Value(Decimal::from_units((row * 2 + 1) * 2))) << row;
    }
  }
  std::vector<bool> inserted;
  in_transaction(*session_, [&] { return session_->insert_missing(shape, batch, inserted); });
  EXPECT_EQ(std::count(inserted.begin(), inserted.end(), true), 0);
}

// --- Statements ---

TEST_P(Contract, statements_count_the_rows_that_they_matched) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  upsert(*session_, shape, {{"a", std::int64_t{1}}, {"b", std::int64_t{1}}});
  const std::string table = session_->dialect().table("order");
  const auto run = [&](const std::string& statement, std::vector<Value> values) {
    return session_->execute(statement, values).value();
  };
  EXPECT_EQ(run("UPDATE " + table + R"( SET "value" = ? WHERE "key" = ?)", {std::int64_t{1}, "a"}), 1) << "same value";
  EXPECT_EQ(run("UPDATE " + table + R"( SET "value" = ? WHERE "key" = ?)", {std::int64_t{1}, "z"}), 0);
  EXPECT_EQ(run("UPDATE " + table + R"( SET "value" = ?)", {std::int64_t{1}}), 2);
  EXPECT_EQ(run("DELETE FROM " + table + R"( WHERE "key" = ?)", {"a"}), 1);
  EXPECT_EQ(run("DELETE FROM " + table + R"( WHERE "key" = ?)", {"a"}), 0);
}

TEST_P(Contract, parameters_are_values_never_sql) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  const std::string evil = "'; DROP TABLE \"order\"; --";
  upsert(*session_, shape, {{evil, std::int64_t{1}}});
  const auto rows =
      session_->query("SELECT \"value\" FROM " + session_->dialect().table("order") + " WHERE \"key\" = ?",
                      std::vector<Value>{evil}, std::vector{Type::kInt});
  ASSERT_DONE(rows);
  EXPECT_THAT(*rows, ElementsAre(Row{std::int64_t{1}}));
}

TEST_P(Contract, creating_a_table_again_keeps_its_rows) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  upsert(*session_, shape, {{"a", std::int64_t{1}}});
  create(*session_, shape);
  EXPECT_EQ(count_rows(*session_, shape), 1);
}

TEST_P(Contract, a_statement_that_runs_too_long_times_out) {
  open({.lock_timeout = milliseconds(300), .statement_timeout = milliseconds(300)});
  EXPECT_FAILS(session_->query(GetParam().slow_query, {}, std::vector{Type::kInt}), Errc::kTimeout);
}

TEST_P(Contract, a_broken_statement_is_an_error_and_no_defect) {
  EXPECT_FALSE(session_->execute("SELEC 1"));
  session_->rollback();
  session_ = connect();
  EXPECT_FALSE(session_->query("SELECT 1 FROM no_such_table", {}, std::vector{Type::kInt}));
}

// --- Transactions ---

TEST_P(Contract, what_is_rolled_back_never_was) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  ASSERT_DONE(session_->begin());
  ASSERT_DONE(session_->upsert(shape, batch_of(shape, {{"a", std::int64_t{1}}})));
  session_->rollback();
  EXPECT_EQ(count_rows(*session_, shape), 0);
}

TEST_P(Contract, what_is_committed_is_seen_by_others_and_nothing_before) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  const auto other = connect();
  ASSERT_DONE(session_->begin());
  ASSERT_DONE(session_->upsert(shape, batch_of(shape, {{"a", std::int64_t{1}}})));
  EXPECT_EQ(count_rows(*session_, shape), 1) << "its own writes are seen";
  EXPECT_EQ(count_rows(*other, shape), 0);
  ASSERT_DONE(session_->commit());
  EXPECT_EQ(count_rows(*other, shape), 1);
}

TEST_P(Contract, a_dropped_session_undoes_its_transaction) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  ASSERT_DONE(session_->begin());
  ASSERT_DONE(session_->upsert(shape, batch_of(shape, {{"a", std::int64_t{1}}})));
  session_ = connect();
  EXPECT_EQ(count_rows(*session_, shape), 0);
  upsert(*session_, shape, {{"a", std::int64_t{2}}});
}

TEST_P(Contract, rolling_back_without_a_transaction_is_harmless) {
  session_->rollback();
  session_->rollback();
  const UpsertShape shape = counters();
  create(*session_, shape);
  upsert(*session_, shape, {{"a", std::int64_t{1}}});
  session_->rollback();
  EXPECT_EQ(count_rows(*session_, shape), 1);
}

TEST_P(Contract, a_lock_held_by_another_is_contention_and_the_transaction_can_be_run_again) {
  open({.lock_timeout = milliseconds(1000), .statement_timeout = seconds(60)});
  const UpsertShape shape = counters();
  create(*session_, shape);
  upsert(*session_, shape, {{"a", std::int64_t{1}}});
  ASSERT_DONE(session_->begin());
  ASSERT_DONE(session_->upsert(shape, batch_of(shape, {{"a", std::int64_t{1}}})));

  const auto transaction = [&](Session& session) -> Result<void> {
    TIDEMARK_TRY(session.begin());
    TIDEMARK_TRY(session.upsert(shape, batch_of(shape, {{"a", std::int64_t{1}}})));
    return session.commit();
  };
  auto other = connect();
  EXPECT_FAILS(transaction(*other), Errc::kContention);
  other->rollback();
  ASSERT_DONE(session_->commit());
  other = connect();
  ASSERT_DONE(transaction(*other));
  EXPECT_EQ(std::get<std::int64_t>(
                session_->query(select_all(*session_, shape), {}, std::vector{Type::kText, Type::kInt}).value()[0][1]),
            3);
}

/// Runs `work` on two sessions at once, again and again until each has succeeded `times` times.
void race(Database& database, int times, const std::function<Result<bool>(Session&, int thread)>& work) {
  std::barrier start(2);
  const auto run = [&](int thread) {
    start.arrive_and_wait();
    const auto patience_ends = std::chrono::steady_clock::now() + std::chrono::minutes(5);
    std::unique_ptr<Session> session;
    int done = 0;
    while (done < times && std::chrono::steady_clock::now() < patience_ends) {
      if (session == nullptr) session = std::move(database.connect()).value_or(nullptr);
      if (session == nullptr) continue;
      if (const Result<bool> result = work(*session, thread)) {
        done += *result;
      } else {
        EXPECT_EQ(traits(result.error().code()).retry, Retry::kLater) << result.error().message();
        session->rollback();
        session.reset();
      }
    }
    EXPECT_EQ(done, times) << "no progress";
  };
  std::jthread other(run, 1);
  run(0);
}

TEST_P(Contract, compare_and_set_lets_one_of_two_win_each_time) {
  const UpsertShape shape = counters();
  create(*session_, shape);
  upsert(*session_, shape, {{"cursor", std::int64_t{0}}});
  const std::string table = session_->dialect().table("order");
  race(*database_, 50, [&](Session& session, int) -> Result<bool> {
    TIDEMARK_TRY_ASSIGN(const Rows rows, session.query("SELECT \"value\" FROM " + table, {}, std::vector{Type::kInt}));
    const std::int64_t seen = std::get<std::int64_t>(rows[0][0]);
    TIDEMARK_TRY(session.begin());
    TIDEMARK_TRY_ASSIGN(const std::int64_t matched,
                        session.execute("UPDATE " + table + R"( SET "value" = ? WHERE "key" = ? AND "value" = ?)",
                                        std::vector<Value>{seen + 1, "cursor", seen}));
    if (matched == 0) {
      session.rollback();
      return false;
    }
    TIDEMARK_TRY(session.commit());
    return true;
  });
  const auto rows = session_->query("SELECT \"value\" FROM " + table, {}, std::vector{Type::kInt});
  ASSERT_DONE(rows);
  EXPECT_EQ(rows->at(0).at(0), Value(std::int64_t{100}));
}

TEST_P(Contract, two_writers_of_the_same_rows_lose_nothing) {
  const UpsertShape shape = single(Type::kDecimal, 0, Merge::kAdd);
  create(*session_, shape);
  std::vector<Row> rows;
  for (std::int64_t id = 0; id < 200; ++id) rows.push_back({id, decimal("0.5")});
  const Batch batch = batch_of(shape, rows);
  race(*database_, 20, [&](Session& session, int) -> Result<bool> {
    TIDEMARK_TRY(session.begin());
    TIDEMARK_TRY(session.upsert(shape, batch));
    TIDEMARK_TRY(session.commit());
    return true;
  });
  for (const std::int64_t id : {0, 99, 199}) EXPECT_EQ(stored(*session_, shape, id), Value(decimal("20")));
}

// --- Migrations ---

TEST_P(Contract, migrations_take_turns) {
  std::atomic<int> inside = 0;
  std::atomic<int> runs = 0;
  std::barrier start(2);
  const auto migrate = [&] {
    start.arrive_and_wait();
    ASSERT_DONE(database_->with_migration_lock([&](Session& session) -> Result<void> {
      EXPECT_EQ(++inside, 1);
      // Each step may be a transaction of its own.
      for (const UpsertShape& shape : {counters(), wide_key()}) {
        TIDEMARK_TRY(session.execute(session.dialect().create_table(table_of(shape))));
        TIDEMARK_TRY(session.begin());
        TIDEMARK_TRY(session.execute("DELETE FROM " + session.dialect().table(shape.table)));
        TIDEMARK_TRY(session.commit());
      }
      ++runs;
      --inside;
      return {};
    }));
  };
  std::jthread other(migrate);
  migrate();
  other.join();
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(count_rows(*session_, counters()), 0);
}

TEST_P(Contract, a_migration_lock_held_too_long_is_locked_and_free_after_an_error) {
  open({.lock_timeout = milliseconds(1000), .statement_timeout = seconds(60)});
  const auto nothing = [](Session&) -> Result<void> { return {}; };
  const auto failed = database_->with_migration_lock([&](Session&) -> Result<void> {
    std::jthread([&] { EXPECT_FAILS(database_->with_migration_lock(nothing), Errc::kLocked); }).join();
    return fail(Errc::kRefused, "newer schema");
  });
  EXPECT_FAILS(failed, Errc::kRefused);
  EXPECT_TRUE(database_->with_migration_lock(nothing));
}

// Programs that use only other doubles of this library link the suite too.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Contract);

}  // namespace tidemark::sql::testing
