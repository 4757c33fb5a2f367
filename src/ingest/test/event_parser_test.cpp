#include "parsing.hpp"

namespace tidemark::ingest {
namespace {

constexpr std::string_view kMinimal = R"({"specversion":"1.0","id":"1","source":"s","type":"t","subject":"u"})";

/// The minimal event with one member replaced by `member`, or dropped when that is empty.
std::string with(std::string_view name, std::string_view member) {
  std::string out = "{";
  const std::vector<std::pair<std::string_view, std::string_view>> members = {{"specversion", R"("specversion":"1.0")"},
                                                                              {"id", R"("id":"1")"},
                                                                              {"source", R"("source":"s")"},
                                                                              {"type", R"("type":"t")"},
                                                                              {"subject", R"("subject":"u")"}};
  bool replaced = false;
  const auto add = [&out](std::string_view text) {
    if (text.empty()) return;
    if (out.size() > 1) out += ',';
    out += text;
  };
  for (const auto& [known, text] : members) {
    add(known == name ? member : text);
    replaced = replaced || known == name;
  }
  if (!replaced) add(member);
  return out + '}';
}

std::string with_data(std::string_view data) {
  return with("data", std::string("\"data\":").append(data));
}

class ValidEvent : public EventParsing {};
class InvalidEventRule : public EventParsing {};
class ContentHash : public EventParsing {
 protected:
  std::uint64_t content(std::string_view body) { return valid(body)->events[0].identity.content; }
  std::uint64_t content_of_data(std::string_view data) { return content(with_data(data)); }
};
class EventIdentity : public EventParsing {};
class EventBatch : public EventParsing {};
class EventLines : public EventParsing {};
class BinaryMode : public EventParsing {};

TEST_F(ValidEvent, keeps_every_attribute) {
  const auto request = valid(
      R"( {"specversion" : "1.0", "id":"a\u0062c","source":"/s","type":"api.call","subject":"Zo\u00eb 🌊",
          "time":"2024-05-01T14:00:00.5+02:00","datacontenttype":"application/json; charset=utf-8",
          "dataschema":"https://x/y","traceparent":"00-\"1\"","n":7,"b":true,"none":null,
          "data": {"a":[1, 2.50,{"b":null}], "c":"\u00e9"} } )");
  const arrivals::Event& event = request->events[0];
  EXPECT_EQ(event.id, "abc");
  EXPECT_EQ(event.source, "/s");
  EXPECT_EQ(event.type, "api.call");
  EXPECT_EQ(event.subject, "Zoë 🌊");
  EXPECT_EQ(event.time, at("2024-05-01T12:00:00.5Z"));
  EXPECT_EQ(event.data, R"({"a":[1, 2.50,{"b":null}], "c":"\u00e9"})");
  EXPECT_EQ(event.extensions, R"({"traceparent":"00-\"1\"","n":7,"b":true,)"
                              R"("datacontenttype":"application/json; charset=utf-8","dataschema":"https://x/y"})");
  const auto& item = request->submission.items[0];
  EXPECT_TRUE(item.has_identity);
  EXPECT_TRUE(item.has_time);
  EXPECT_EQ(item.time, *event.time);
  EXPECT_EQ(item.claim.identity, event.identity.fingerprint);
  EXPECT_EQ(item.claim.content, event.identity.content);
  EXPECT_EQ(item.begin, 0u);
  EXPECT_EQ(item.end, request->submission.encoded.size());
}

TEST_F(ValidEvent, needs_no_time_and_no_data) {
  for (const std::string& body :
       {std::string(kMinimal), with("x", R"("time":null,"data":null,"datacontenttype":null,"dataschema":null)")}) {
    const auto request = valid(body);
    EXPECT_FALSE(request->events[0].time.has_value());
    EXPECT_FALSE(request->submission.items[0].has_time);
    EXPECT_EQ(request->events[0].data, "");
    EXPECT_EQ(request->events[0].extensions, "");
  }
}

TEST_F(ValidEvent, at_each_bound) {
  std::string two_bytes;
  for (int i = 0; i < 255; ++i) two_bytes += "é";
  EXPECT_EQ(valid(with("subject", "\"subject\":\"" + two_bytes + '"'))->events[0].subject, two_bytes);
  EXPECT_EQ(valid(with("id", "\"id\":\"" + std::string(1024, 'i') + '"'))->events[0].id.size(), 1024u);
  EXPECT_EQ(valid(with("time", R"("time":"2024-05-01T12:05:00Z")"))->events[0].time, at("2024-05-01T12:05:00Z"));
  EXPECT_EQ(valid(with("time", R"("time":"0001-01-01T00:00:00Z")"))->events[0].time, at("0001-01-01T00:00:00Z"));
  valid(with_data("{\"a\":" + std::string(63, '[') + std::string(63, ']') + "}"));
  std::string extensions;
  for (int i = 0; i < 64; ++i) extensions += (i == 0 ? "\"x" : ",\"x") + std::to_string(i) + "\":1";
  valid(with("x", extensions));
}

TEST_F(ValidEvent, takes_numbers_in_data_as_they_are_written) {
  for (const std::string_view number : {"0", "-0", "1e400", "-1.5E+10", "123456789012345678901234567890", "0.10"}) {
    const std::string data = "{\"n\":" + std::string(number) + "}";
    EXPECT_EQ(valid(with_data(data))->events[0].data, data);
  }
}

TEST_F(InvalidEventRule, names_the_field) {
  struct Case {
    std::string body;
    std::string_view field;
  };
  const auto repeated = [](std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
  };
  std::vector<Case> cases = {
      {with("specversion", R"("specversion":"0.3")"), "specversion"},
      {with("specversion", R"("specversion":1.0)"), "specversion"},
      {with("subject", "\"subject\":\"" + repeated("é", 256) + '"'), "subject"},
      {with("id", "\"id\":\"" + repeated("i", 1025) + '"'), "id"},
      {with("source", "\"source\":\"" + repeated("i", 1025) + '"'), "source"},
      {with("type", "\"type\":\"" + repeated("i", 1025) + '"'), "type"},
      {with("x", "\"dataschema\":\"" + repeated("i", 1025) + '"'), "dataschema"},
      {with("id", R"("id":"a\u0000b")"), "id"},
      {with("subject", R"("subject":"\udc00")"), "subject"},
      {with("subject", R"("subject":"a\ud83d")"), "subject"},
      {with("subject", R"("subject":"\ud83d\u0041")"), "subject"},
      {with("x", R"("x":"\ud800")"), "x"},
      {with("x", R"("\ud800":"x")"), "event"},
      {with_data(R"({"a":"\ud800"})"), "data"},
      {with_data(R"({"\ud800":1})"), "data"},
      {with("time", R"("time":"")"), "time"},
      {with("time", R"("time":"yesterday")"), "time"},
      {with("time", R"("time":"2024-02-30T00:00:00Z")"), "time"},
      {with("time", R"("time":"2024-05-01T12:00:00")"), "time"},
      {with("time", R"("time":1714564800)"), "time"},
      {with("time", R"("time":"2024-05-01T12:05:00.000001Z")"), "time"},
      {with_data("[]"), "data"},
      {with_data("1"), "data"},
      {with_data("\"{}\""), "data"},
      {with_data("false"), "data"},
      {with_data("{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}"), "data"},
      {with_data(R"({"a":"\u0000"})"), "data"},
      {with_data(R"({"a\u0000":1})"), "data"},
      {with_data(R"({"a":1,"b":2,"a":1})"), "data"},
      {with_data(R"({"x":[{"a":1,"\u0061":1}]})"), "data"},
      {with("x", R"("data_base64":"e30=")"), "data_base64"},
      {with("x", R"("datacontenttype":"text/plain")"), "datacontenttype"},
      {with("x", R"("datacontenttype":{})"), "datacontenttype"},
      {with("x", R"("dataschema":7)"), "dataschema"},
      {with("x", R"("trace":{"a":1})"), "trace"},
      {with("x", R"("trace":[])"), "trace"},
      {with("x", R"("trace":"\u0000")"), "trace"},
      {with("x", R"("trace":1,"trace":2)"), "trace"},
      {with("x", R"("trace":1,"tr\u0061ce":2)"), "trace"},
      {with("x", R"("a\u0000":1)"), "event"},
      {with("x", "\"" + repeated("é", 40) + "\":[]"), "éééééééééééééééééééééééééééééééé"},
  };
  for (const std::string_view name : {"id", "source", "specversion", "type", "subject"}) {
    const std::string quoted = "\"" + std::string(name) + "\":";
    cases.push_back({with(name, ""), name});
    cases.push_back({with(name, quoted + "null"), name});
    cases.push_back({with(name, quoted + "\"\""), name});
    cases.push_back({with(name, quoted + "1"), name});
    cases.push_back({with(name, quoted + "[\"a\"]"), name});
    cases.push_back({with(name, quoted + "{}"), name});
    cases.push_back({with(name, quoted + "\"1.0\"," + quoted + "\"1.0\""), name});
  }
  for (const std::string_view name : {"time", "data", "datacontenttype", "dataschema"}) {
    const std::string member = "\"" + std::string(name) + "\":null";
    cases.push_back({with("x", member + "," + member), name});
  }
  std::string extensions = "\"x\":1";
  for (int i = 0; i < 64; ++i) extensions += ",\"x" + std::to_string(i) + "\":1";
  cases.push_back({with("x", extensions), "x63"});
  for (const Case& test : cases) EXPECT_EQ(invalid_field(test.body), test.field) << test.body;
}

TEST_F(InvalidEventRule, first_problem_in_the_text_is_told) {
  EXPECT_EQ(invalid_field(R"({"trace":[],"time":5,"id":""})"), "trace");
}

TEST_F(InvalidEventRule, names_of_attributes_have_one_case) {
  EXPECT_EQ(invalid_field(with("id", R"("ID":"1")")), "id");
}

TEST_F(InvalidEventRule, an_event_past_the_size_limit) {
  EventLimits limits;
  limits.event_bytes = 200;
  limit(limits);
  const std::string large = with("x", "\"pad\":\"" + std::string(200, 'x') + '"');
  EXPECT_EQ(invalid_field(large), "event");
  const auto batch = parse(EventForm::kBatch, "[" + large + " , " + std::string(kMinimal) + "]");
  ASSERT_TRUE(batch->result.has_value());
  ASSERT_EQ(batch->parsed.invalid.size(), 1u);
  EXPECT_EQ(batch->parsed.invalid[0].index, 0u);
  EXPECT_EQ(batch->events.size(), 1u);
}

TEST_F(InvalidEventRule, whole_body_is_refused_when_it_is_not_json) {
  const std::vector<std::string> bodies = {
      "", " \n ", "{", "}", "nonsense", "1", "\"x\"", "null", "[", "\xEF\xBB\xBF" + std::string(kMinimal),
      std::string(kMinimal) + "x", std::string(kMinimal) + std::string(kMinimal), std::string(kMinimal) + "]",
      with("x", "\"a\":01"), with("x", "\"a\":+1"), with("x", "\"a\":1."), with("x", "\"a\":.5"),
      with("x", "\"a\":NaN"), with("x", "\"a\":truex"), with("x", "\"a\":nul"), with("x", "\"a\":"), with("x", "\"a\""),
      with("x", "a:1"), with("x", "\"a\":1,"), with("x", "\"a\":\"\\x\""), with("x", "\"a\":\"\\u12\""),
      with("x", "\"a\":\"\\ud80g\""), with("x", "\"a\":\"\t\""), with("x", "\"a\":\"b\":{}"),
      with("x", "\"a\":\"b\" \"c\":1"), with("x", "\"a\":'b'"), with("x", std::string("\"a\":\"\0\"", 7)),
      with("x", "\"a\":\"\xff\""), with("x", "\"a\":\"\xc3\""), with("x", "\"a\":\"\xed\xa0\x80\""),
      with_data("{\"a\":[1,]}"), with_data("{\"a\":[1}"), with_data("{\"a\":{]}"), with_data("{,}"),
      with_data("{\"a\":1 2}"), with_data("{\"a\" 1}"), with_data("{1:2}"), with_data("{\"a\":tru}"),
      with_data("{\"a\":-}"), with_data("{\"a\":1e}"), with_data("{\"a\":00}"), with_data("{\"a\":\"b\" c}"),
      // Also where the event is refused for another reason before.
      R"({"id":5,"x":[1,})", R"({"id":{"a":tru}})", "/* */" + std::string(kMinimal)};
  for (const std::string& body : bodies) {
    for (const EventForm form : {EventForm::kSingle, EventForm::kSingleOrBatch}) {
      const auto request = parse(form, body);
      ASSERT_FALSE(request->result.has_value()) << body;
      EXPECT_EQ(request->result.error().code(), Errc::kInvalidArgument) << body;
    }
    if (body == "1" || body == "\"x\"" || body == "null") continue;  // JSON, though not an event.
    const auto batch = parse(EventForm::kBatch, "[" + std::string(kMinimal) + "," + body + "]");
    EXPECT_FALSE(batch->result.has_value()) << body;
  }
}

TEST_F(InvalidEventRule, every_prefix_of_an_event_is_refused) {
  const std::string body = with_data(R"({"a":[1,{"b":"\u00e9"}],"c":null})");
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(parse(EventForm::kSingle, body.substr(0, size))->result.has_value()) << size;
    EXPECT_FALSE(parse(EventForm::kBatch, "[" + body.substr(0, size))->result.has_value()) << size;
    const auto lines = parse(EventForm::kLines, body.substr(0, size));
    EXPECT_TRUE(lines->events.empty()) << size;
  }
}

TEST_F(ContentHash, does_not_depend_on_the_order_of_names) {
  EXPECT_EQ(
      content(
          R"({"specversion":"1.0","id":"1","source":"s","type":"t","subject":"u","data":{"a":1,"b":[{"x":1,"y":2}]}})"),
      content(
          R"({"data":{"b":[{"y":2,"x":1}],"a":1},"subject":"u","type":"t","source":"s","id":"1","specversion":"1.0"})"));
}

TEST_F(ContentHash, does_not_depend_on_how_text_is_written) {
  EXPECT_EQ(content_of_data(R"({"a":"é", "b" : [ 1 , true ]})"),
            content_of_data(R"({"\u0061":"\u00e9","b":[1,true]})"));
  EXPECT_EQ(content(with("time", R"("time":"2024-05-01T12:00:00Z")")),
            content(with("time", R"("time":"2024-05-01T14:00:00.000+02:00")")));
  EXPECT_EQ(content(with("data", R"("data":null)")), content(kMinimal));
}

TEST_F(ContentHash, leaves_out_extensions_and_identity) {
  const std::uint64_t plain = content(kMinimal);
  EXPECT_EQ(content(with("x", R"("traceparent":"1")")), plain);
  EXPECT_EQ(content(with("x", R"("dataschema":"x","datacontenttype":"application/json")")), plain);
  EXPECT_EQ(content(with("id", R"("id":"2")")), plain);
}

TEST_F(ContentHash, tells_every_difference) {
  const std::vector<std::string> bodies = {std::string(kMinimal),
                                           with("type", R"("type":"t2")"),
                                           with("subject", R"("subject":"u2")"),
                                           with("x", R"("time":"2024-05-01T12:00:00Z")"),
                                           with("x", R"("time":"1970-01-01T00:00:00Z")"),
                                           with("x", R"("time":"2024-05-01T12:00:00.000001Z")"),
                                           with_data("{}"),
                                           with_data(R"({"a":null})"),
                                           with_data(R"({"a":1})"),
                                           with_data(R"({"a":1.0})"),
                                           with_data(R"({"a":"1"})"),
                                           with_data(R"({"a":[1]})"),
                                           with_data(R"({"a":[]})"),
                                           with_data(R"({"a":{}})"),
                                           with_data(R"({"a":true})"),
                                           with_data(R"({"a":"true"})"),
                                           with_data(R"({"a":[1,2]})"),
                                           with_data(R"({"a":[2,1]})"),
                                           with_data(R"({"a":[[1],2]})"),
                                           with_data(R"({"a":[[1,2]]})"),
                                           with_data(R"({"b":1})"),
                                           with_data(R"({"a":1,"b":2})"),
                                           with_data(R"({"a":2,"b":1})"),
                                           with_data(R"({"a":{"b":1},"c":2})"),
                                           with_data(R"({"a":{"b":1,"c":2}})"),
                                           with_data(R"({"a":{"c":2},"b":1})"),
                                           with_data(R"({"":1})")};
  std::vector<std::uint64_t> seen;
  for (const std::string& body : bodies) {
    const std::uint64_t hash = content(body);
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_NE(hash, seen[i]) << body << " and " << bodies[i];
    seen.push_back(hash);
  }
}

TEST_F(ContentHash, swapped_type_and_subject_differ) {
  EXPECT_NE(content(R"({"specversion":"1.0","id":"1","source":"s","type":"a","subject":"b"})"),
            content(R"({"specversion":"1.0","id":"1","source":"s","type":"b","subject":"a"})"));
}

TEST_F(EventIdentity, is_tenant_source_and_id) {
  const auto fingerprint = [this](std::string_view body, std::string_view tenant) {
    return valid(body, tenant)->events[0].identity.fingerprint;
  };
  const Fingerprint first = fingerprint(kMinimal, "default");
  EXPECT_EQ(fingerprint(with("type", R"("type":"other")"), "default"), first);
  EXPECT_EQ(fingerprint(with("id", R"("id":"\u0031")"), "default"), first);
  EXPECT_NE(fingerprint(with("id", R"("id":"2")"), "default"), first);
  EXPECT_NE(fingerprint(with("source", R"("source":"s2")"), "default"), first);
  EXPECT_NE(fingerprint(kMinimal, "other"), first);
}

TEST_F(EventIdentity, fields_do_not_run_into_each_other) {
  const auto fingerprint = [this](std::string_view source, std::string_view id, std::string_view tenant) {
    return valid(R"({"specversion":"1.0","type":"t","subject":"u","id":")" + std::string(id) + R"(","source":")" +
                     std::string(source) + "\"}",
                 tenant)
        ->events[0]
        .identity.fingerprint;
  };
  EXPECT_NE(fingerprint("ab", "c", "t"), fingerprint("a", "bc", "t"));
  EXPECT_NE(fingerprint("b", "c", "ta"), fingerprint("ab", "c", "t"));
}

TEST_F(EventIdentity, depends_on_the_key_of_the_store) {
  const Fingerprint first = valid(kMinimal)->events[0].identity.fingerprint;
  const std::uint64_t content = valid(kMinimal)->events[0].identity.content;
  parser_.emplace(EventLimits{}, test_key(2), minutes_ahead_);
  EXPECT_NE(valid(kMinimal)->events[0].identity.fingerprint, first);
  EXPECT_NE(valid(kMinimal)->events[0].identity.content, content);
}

// Both are stored: other numbers here would turn every retry after an upgrade into a new event or a conflict.
TEST_F(EventIdentity, fingerprint_and_content_are_as_the_format_says) {
  const auto with_all =
      valid(R"({"specversion":"1.0","id":"1","source":"s","type":"t","subject":"u","time":"2024-05-01T12:00:00Z",)"
            R"("data":{"s":"é","n":[1,2.5,true,null],"o":{}}})");
  const arrivals::Identity& identity = with_all->events[0].identity;
  EXPECT_EQ(identity.fingerprint, (Fingerprint{0x399bde644f06048a, 0x4ce38075629a8151}));
  EXPECT_EQ(identity.content, 0x446399f3574dd88eu);
  EXPECT_EQ(valid(kMinimal)->events[0].identity.content, 0xabcf2b83bfbe3001u);
}

TEST_F(EventBatch, keeps_order_and_reports_indexes) {
  const std::string body = "[" + with("id", R"("id":"a")") + ",1," + with("id", R"("id":7)") + ", null ," +
                           with("id", R"("id":"b")") + ",[{}]," + with("time", R"("time":"x")") + "]";
  for (const EventForm form : {EventForm::kBatch, EventForm::kSingleOrBatch}) {
    const auto request = parse(form, body);
    ASSERT_TRUE(request->result.has_value()) << request->result.error().message();
    EXPECT_EQ(request->parsed.total, 7u);
    ASSERT_EQ(request->events.size(), 2u);
    EXPECT_EQ(request->events[0].id, "a");
    EXPECT_EQ(request->events[1].id, "b");
    EXPECT_EQ(request->submission.items[1].begin, request->submission.items[0].end);
    std::vector<std::pair<std::uint32_t, std::string>> problems;
    for (const InvalidEvent& invalid : request->parsed.invalid) problems.emplace_back(invalid.index, invalid.field);
    EXPECT_EQ(problems, (std::vector<std::pair<std::uint32_t, std::string>>{
                            {1, "event"}, {2, "id"}, {3, "event"}, {5, "event"}, {6, "time"}}));
  }
}

TEST_F(EventBatch, may_be_empty) {
  const auto request = parse(EventForm::kBatch, " [ ] ");
  ASSERT_TRUE(request->result.has_value());
  EXPECT_EQ(request->parsed.total, 0u);
}

TEST_F(EventBatch, form_must_fit_the_content_type) {
  EXPECT_FALSE(parse(EventForm::kBatch, kMinimal)->result.has_value());
  EXPECT_FALSE(parse(EventForm::kSingle, "[" + std::string(kMinimal) + "]")->result.has_value());
}

TEST_F(EventBatch, broken_json_voids_the_events_before_it) {
  const auto request = parse(EventForm::kBatch, "[" + std::string(kMinimal) + ",{]");
  ASSERT_FALSE(request->result.has_value());
  EXPECT_TRUE(request->submission.items.empty());
  EXPECT_TRUE(request->submission.encoded.empty());
  EXPECT_TRUE(request->parsed.invalid.empty());
}

TEST_F(EventBatch, is_bounded_in_events) {
  EventLimits limits;
  limits.events = 3;
  limit(limits);
  const std::string event(kMinimal);
  EXPECT_TRUE(parse(EventForm::kBatch, "[" + event + "," + event + "," + event + "]")->result.has_value());
  for (const EventForm form : {EventForm::kBatch, EventForm::kLines}) {
    const auto request = form == EventForm::kBatch ? parse(form, "[" + event + "," + event + ",1," + event + "]")
                                                   : parse(form, event + "\n" + event + "\n1\n" + event);
    ASSERT_FALSE(request->result.has_value());
    EXPECT_EQ(request->result.error().code(), Errc::kTooLarge);
  }
}

TEST_F(EventBatch, too_deep_data_harms_its_event_alone) {
  const std::string deep = with_data("{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}");
  const auto request = parse(EventForm::kBatch, "[" + deep + "," + std::string(kMinimal) + "]");
  ASSERT_TRUE(request->result.has_value());
  EXPECT_EQ(request->events.size(), 1u);
  ASSERT_EQ(request->parsed.invalid.size(), 1u);
  EXPECT_EQ(request->parsed.invalid[0].field, "data");
}

TEST_F(EventBatch, large_body_after_small_ones_and_back) {
  std::string body = "[" + std::string(kMinimal);
  for (int i = 0; i < 30'000; ++i) body += "," + with("id", "\"id\":\"" + std::to_string(i) + '"');
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(valid(kMinimal)->events[0].id, "1");
    const auto request = parse(EventForm::kBatch, body + "]");
    ASSERT_TRUE(request->result.has_value());
    EXPECT_EQ(request->events.size(), 30'001u);
    EXPECT_EQ(request->events.back().id, "29999");
  }
}

TEST_F(EventBatch, members_of_data_are_told_apart_in_large_objects) {
  std::string data = "{\"k\":0";
  for (int i = 0; i < 1000; ++i) data += ",\"k" + std::to_string(i) + "\":1";
  EXPECT_EQ(valid(with_data(data + "}"))->events[0].data, data + "}");
  EXPECT_EQ(invalid_field(with_data(data + ",\"k500\":1}")), "data");
}

TEST_F(EventLines, skips_blank_lines_and_takes_both_line_ends) {
  const std::string event(kMinimal);
  const auto request = parse(EventForm::kLines, "\n\r\n" + event + "\r\n  \n" + with("id", R"("id":"2")") + "\n\n" +
                                                    with("id", R"("id":"3")"));
  ASSERT_TRUE(request->result.has_value());
  EXPECT_EQ(request->parsed.total, 3u);
  ASSERT_EQ(request->events.size(), 3u);
  EXPECT_EQ(request->events[2].id, "3");
}

TEST_F(EventLines, broken_line_harms_itself_alone) {
  const std::string event(kMinimal);
  for (const std::string& broken :
       {std::string("{"), std::string("{\"id\":\"x"), std::string("null"), std::string("[]"), event + event,
        event + "}", std::string("{\"a\":\"\xff\"}"), std::string("\0", 1), std::string("}"), std::string("\"")}) {
    const auto request = parse(EventForm::kLines, event + "\n" + broken + "\n" + event + "\n");
    ASSERT_TRUE(request->result.has_value()) << broken;
    EXPECT_EQ(request->parsed.total, 3u) << broken;
    EXPECT_EQ(request->events.size(), 2u) << broken;
    ASSERT_EQ(request->parsed.invalid.size(), 1u) << broken;
    EXPECT_EQ(request->parsed.invalid[0].index, 1u);
    EXPECT_EQ(request->parsed.invalid[0].field, "event");
  }
}

TEST_F(BinaryMode, reads_attributes_from_headers) {
  const auto request = parse(EventForm::kBinary, R"( {"a":1} )",
                             {{"Host", "x"},
                              {"Content-Type", "application/json"},
                              {"ce-specversion", "1.0"},
                              {"CE-ID", "a%20%E2%82%AC"},
                              {"ce-source", "\"quo\\\"ted %25\""},
                              {"ce-type", "t"},
                              {"ce-subject", "u"},
                              {"ce-time", "2024-05-01T12:00:00Z"},
                              {"ce-Trace", "a\"b"}});
  ASSERT_TRUE(request->result.has_value());
  ASSERT_EQ(request->events.size(), 1u) << request->parsed.invalid[0].field << request->parsed.invalid[0].detail;
  const arrivals::Event& event = request->events[0];
  EXPECT_EQ(event.id, "a €");
  EXPECT_EQ(event.source, "quo\"ted %");
  EXPECT_EQ(event.time, at("2024-05-01T12:00:00Z"));
  EXPECT_EQ(event.data, R"({"a":1})");
  EXPECT_EQ(event.extensions, R"({"trace":"a\"b","datacontenttype":"application/json"})");
}

TEST_F(BinaryMode, is_the_same_event_as_in_structured_mode) {
  const Headers headers = {{"ce-specversion", "1.0"}, {"ce-id", "1"},      {"ce-source", "s"},
                           {"ce-type", "t"},          {"ce-subject", "u"}, {"Content-Type", "application/json"}};
  const auto binary = parse(EventForm::kBinary, R"({"b":2,"a":1})", headers);
  ASSERT_EQ(binary->events.size(), 1u);
  const auto structured = valid(with_data(R"({"a":1,"b":2})"));
  EXPECT_EQ(binary->events[0].identity.fingerprint, structured->events[0].identity.fingerprint);
  EXPECT_EQ(binary->events[0].identity.content, structured->events[0].identity.content);
}

TEST_F(BinaryMode, names_the_field_at_fault) {
  struct Case {
    Headers headers;
    std::string_view body;
    std::string_view field;
  };
  const Headers good = {
      {"ce-specversion", "1.0"}, {"ce-id", "1"}, {"ce-source", "s"}, {"ce-type", "t"}, {"ce-subject", "u"}};
  const auto plus = [&good](std::string_view name, std::string_view value) {
    Headers headers = good;
    headers.emplace_back(name, value);
    return headers;
  };
  const std::vector<Case> cases = {
      {{{"ce-id", "1"}}, "{}", "source"},
      {plus("ce-id", "2"), "{}", "id"},
      {plus("ce-time", "x"), "{}", "time"},
      {plus("ce-x", "%zz"), "{}", "x"},
      {plus("ce-x", "%4"), "{}", "x"},
      {plus("ce-x", "\"open"), "{}", "x"},
      {plus("ce-x", "\""), "{}", "x"},
      {plus("ce-x", "%00"), "{}", "x"},
      {plus("ce-x", "%ff"), "{}", "x"},
      {plus("ce-data", "{}"), "{}", "data"},
      {plus("ce-data_base64", "e30="), "{}", "data_base64"},
      {plus("Content-Type", "text/xml"), "{}", "datacontenttype"},
      {{{"Content-Type", "application/json"}, {"Content-Type", "application/json"}}, "{}", "datacontenttype"},
      {good, "[]", "data"},
      {good, "{", "data"},
      {good, "{} {}", "data"},
      {good, R"({"a":1,"a":2})", "data"},
      {good, "\xff", "data"},
  };
  for (const Case& test : cases) {
    const auto request = parse(EventForm::kBinary, test.body, test.headers);
    ASSERT_TRUE(request->result.has_value());
    ASSERT_EQ(request->parsed.invalid.size(), 1u) << test.field << test.body;
    EXPECT_EQ(request->parsed.invalid[0].field, test.field) << request->parsed.invalid[0].detail;
  }
  for (const std::string_view body : {"", "null", " \n"}) {
    EXPECT_EQ(parse(EventForm::kBinary, body, good)->events.size(), 1u) << body;
  }
}

}  // namespace
}  // namespace tidemark::ingest
