#include "parsing.hpp"

namespace tidemark::ingest {
namespace {

constexpr std::string_view kKey = "12345678-1234-5678-1234-567812345678";

std::string body_with(std::string_view key, std::string_view value) {
  return "{\"key\":" + std::string(key) + ",\"value\":" + std::string(value) + "}";
}
std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}
std::string with_value(std::string_view value) {
  return body_with(quoted(kKey), value);
}
std::string with_key(std::string_view key) {
  return body_with(key, "1");
}

class IncrementParsing : public ::testing::Test {
 protected:
  /// The field that is refused, or "" when the body is taken.
  std::string refused_field(std::string_view body, std::string_view idempotency_key = {}) {
    submission_.tenant = tenant_;
    const PaddedBody padded(body);
    std::string field;
    const auto result = parser_.parse(padded.text(), idempotency_key, submission_, field);
    if (result) return "";
    EXPECT_EQ(result.error().code(), Errc::kInvalidArgument) << body;
    EXPECT_FALSE(result.error().message().empty());
    EXPECT_TRUE(submission_.items.empty());
    return field;
  }

  arrivals::Increment taken(std::string_view body, std::string_view idempotency_key = {}) {
    EXPECT_EQ(refused_field(body, idempotency_key), "") << body;
    const auto items = decoded<arrivals::Increment>(submission_, payload_);
    EXPECT_EQ(items.size(), 1u) << body;
    return items.empty() ? arrivals::Increment{} : items[0];
  }

  std::string tenant_ = "default";
  IncrementParser parser_{test_key()};
  arrivals::Submission submission_;
  std::string payload_;
};

TEST_F(IncrementParsing, takes_key_and_value) {
  for (const std::string& body : {with_value("42"), "{\"value\":42 , \"key\" : " + quoted(kKey) + "}",
                                  " \n{ \"\\u006bey\":" + quoted(kKey) + ",\"value\":42}\r\n"}) {
    const auto increment = taken(body);
    EXPECT_EQ(arrivals::uuid_to_text(increment.key), kKey);
    EXPECT_EQ(increment.value, 42);
    EXPECT_FALSE(increment.identity.has_value());
    EXPECT_FALSE(submission_.items[0].has_identity);
    EXPECT_FALSE(submission_.items[0].has_time);
    EXPECT_EQ(submission_.items[0].end, submission_.encoded.size());
  }
  EXPECT_EQ(taken(with_value("1")).value, 1);
  EXPECT_EQ(taken(with_value("9223372036854775807")).value, 9223372036854775807);
  EXPECT_EQ(arrivals::uuid_to_text(taken(with_key("\"11111111-1111-1111-1111-111111111111\"")).key),
            "11111111-1111-1111-1111-111111111111");
}

TEST_F(IncrementParsing, refuses_everything_else_and_names_the_field) {
  struct Case {
    std::string body;
    std::string_view field;
  };
  const std::vector<Case> cases = {
      // Values.
      {with_value("0"), "value"},
      {with_value("-1"), "value"},
      {with_value("-0"), "value"},
      {with_value("1.0"), "value"},
      {with_value("1.5"), "value"},
      {with_value("1e3"), "value"},
      {with_value("1E0"), "value"},
      {with_value("01"), "value"},
      {with_value("+1"), "value"},
      {with_value("0x1"), "value"},
      {with_value("\"1\""), "value"},
      {with_value("true"), "value"},
      {with_value("null"), "value"},
      {with_value("[1]"), "value"},
      {with_value("{}"), "value"},
      {with_value("1a"), "value"},
      {with_value("9223372036854775808"), "value"},
      {with_value("18446744073709551615"), "value"},
      {with_value("18446744073709551616"), "value"},
      {with_value("100000000000000000000000000000000000000"), "value"},
      {"{\"key\":" + quoted(kKey) + "}", "value"},
      // Keys.
      {with_key("null"), "key"},
      {with_key("5"), "key"},
      {with_key("true"), "key"},
      {with_key("{}"), "key"},
      {with_key("[]"), "key"},
      {with_key("\"\""), "key"},
      {with_key("\"00000000-0000-0000-0000-000000000000\""), "key"},
      {with_key("\"12345678-1234-5678-1234-56781234567\""), "key"},
      {with_key("\"12345678-1234-5678-1234-5678123456789\""), "key"},
      {with_key("\"1234567g-1234-5678-1234-567812345678\""), "key"},
      {with_key("\"1234567-81234-5678-1234-567812345678\""), "key"},
      {with_key("\"12345678123456781234567812345678\""), "key"},
      {with_key("\"{12345678-1234-5678-1234-567812345678}\""), "key"},
      {with_key("\"urn:uuid:12345678-1234-5678-1234-567812345678\""), "key"},
      {with_key("\"ABCDEF78-1234-5678-1234-567812345678\""), "key"},
      {with_key("\"abcdef78-1234-5678-1234-56781234567F\""), "key"},
      {with_key("\" 12345678-1234-5678-1234-567812345678\""), "key"},
      {with_key("\"12345678-1234-5678-1234-56781234567\\u0000\""), "key"},
      {"{\"value\":1}", "key"},
      {"{\"value\":0}", "value"},
      {"{}", "key"},
      // Members.
      {"{\"key\":" + quoted(kKey) + ",\"value\":1,\"extra\":1}", "extra"},
      {"{\"extra\":null,\"key\":" + quoted(kKey) + ",\"value\":1}", "extra"},
      {"{\"KEY\":" + quoted(kKey) + ",\"value\":1}", "KEY"},
      {"{\"key\":" + quoted(kKey) + ",\"Value\":1}", "Value"},
      {"{\"\":1,\"key\":" + quoted(kKey) + ",\"value\":1}", ""},
      {"{\"key\":" + quoted(kKey) + ",\"value\":1,\"value\":1}", "value"},
      {"{\"key\":" + quoted(kKey) + ",\"key\":" + quoted(kKey) + ",\"value\":1}", "key"},
      {"{\"key\":" + quoted(kKey) + ",\"value\":1,\"v\\u0061lue\":1}", "value"},
      // Bodies.
      {"", "body"},
      {"  ", "body"},
      {"null", "body"},
      {"[]", "body"},
      {"[" + with_value("1") + "]", "body"},
      {"\"x\"", "body"},
      {"1", "body"},
      {"{", "body"},
      {"}", "body"},
      {with_value("1") + "x", "body"},
      {with_value("1") + with_value("1"), "body"},
      {with_value("1") + "\n{}", "body"},
      {with_value("1") + ",", "body"},
      {with_value("1") + "}", "body"},
      {with_value("1").substr(0, 40), "body"},
      {"\xEF\xBB\xBF" + with_value("1"), "body"},
      {"{\"key\":" + quoted(kKey) + ",\"value\":1,}", "body"},
      {"{\"key\":" + quoted(kKey) + " \"value\":1}", "body"},
      {"{\"key\":" + quoted(kKey) + ",\"value\":1 2}", "body"},
      {"{\"key\":" + quoted(kKey) + ",\"value\" 1}", "body"},
      {"{key:" + quoted(kKey) + ",value:1}", "body"},
      {"{'key':" + quoted(kKey) + ",'value':1}", "body"},
      {with_value("1") + std::string(1, '\0'), "body"},
      {"{\"key\":\"\xff\",\"value\":1}", "body"},
  };
  for (const Case& test : cases) {
    submission_.clear();
    submission_.tenant = tenant_;
    const PaddedBody padded(test.body);
    std::string field = "untouched";
    const auto result = parser_.parse(padded.text(), {}, submission_, field);
    EXPECT_FALSE(result.has_value()) << test.body;
    EXPECT_EQ(field, test.field) << test.body;
    EXPECT_TRUE(submission_.items.empty());
  }
}

TEST_F(IncrementParsing, every_prefix_is_refused) {
  const std::string body = with_value("12");
  for (std::size_t size = 0; size < body.size(); ++size) EXPECT_NE(refused_field(body.substr(0, size)), "") << size;
}

TEST_F(IncrementParsing, idempotency_key_gives_an_identity) {
  const auto first = taken(with_value("1"), "abc");
  ASSERT_TRUE(first.identity.has_value());
  EXPECT_TRUE(submission_.items[0].has_identity);
  EXPECT_EQ(submission_.items[0].claim.identity, first.identity->fingerprint);
  EXPECT_EQ(submission_.items[0].claim.content, first.identity->content);
  const auto again = taken("{\"value\":1,\"key\":" + quoted(kKey) + "}", "abc");
  EXPECT_EQ(again.identity->fingerprint, first.identity->fingerprint);
  EXPECT_EQ(again.identity->content, first.identity->content);
  EXPECT_NE(taken(with_value("2"), "abc").identity->content, first.identity->content);
  EXPECT_NE(taken(with_key("\"11111111-1111-1111-1111-111111111111\""), "abc").identity->content,
            first.identity->content);
  EXPECT_NE(taken(with_value("1"), "abd").identity->fingerprint, first.identity->fingerprint);
  tenant_ = "other";
  EXPECT_NE(taken(with_value("1"), "abc").identity->fingerprint, first.identity->fingerprint);
}

TEST_F(IncrementParsing, idempotency_key_is_visible_ascii_of_bounded_length) {
  EXPECT_EQ(refused_field(with_value("1"), std::string(255, '~')), "");
  EXPECT_EQ(refused_field(with_value("1"), "!"), "");
  for (const std::string& key : {std::string(256, 'x'), std::string("a b"), std::string("é"), std::string("\t"),
                                 std::string("\x7f"), std::string("a\0", 2)}) {
    EXPECT_EQ(refused_field(with_value("1"), key), "Idempotency-Key") << key;
  }
}

TEST_F(IncrementParsing, identity_is_never_that_of_an_event) {
  EventParser events(EventLimits{}, test_key(), seconds(1));
  ParsedEvents parsed;
  arrivals::Submission submission;
  submission.tenant = "default";
  const PaddedBody body(R"({"specversion":"1.0","id":"abc","source":"abc","type":"t","subject":"u"})");
  ASSERT_TRUE(events.parse(EventForm::kSingle, body.text(), {}, Timestamp{}, submission, parsed).has_value());
  EXPECT_NE(taken(with_value("1"), "abc").identity->fingerprint, submission.items[0].claim.identity);
}

}  // namespace
}  // namespace tidemark::ingest
