#include "doors.hpp"
#include "lane.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::ingest_http {
namespace {

using arrivals::Verdict;
using net::Method;

constexpr std::string_view kKey = "12345678-1234-5678-1234-567812345678";
const std::string kIncrement = R"({"key":"12345678-1234-5678-1234-567812345678","value":3})";

std::string event(std::string_view id) {
  return R"({"specversion":"1.0","source":"s","type":"t","subject":"u","id":")" + std::string(id) + "\"}";
}

class Paths : public DoorsTest {};
class Increments : public DoorsTest {};
class IncrementTotals : public DoorsTest {};
class ContentTypes : public DoorsTest {};
class PlainEvents : public DoorsTest {};
class EventVerdicts : public DoorsTest {};
class Operations : public DoorsTest {};
class Groups : public DoorsTest {};

TEST_F(Paths, unknown_is_404) {
  for (const char* path : {"/", "/incremen", "/increments", "/api/v1/events/", "/api/v1/events/1", "/API/v1/events"}) {
    const FakeExchange& exchange = handled(request(Method::kPost, path));
    EXPECT_EQ(exchange.status(), 404) << path;
    EXPECT_EQ(exchange.content_type(), "application/problem+json");
  }
}

TEST_F(Paths, wrong_method_is_405_and_says_what_is_allowed) {
  struct Case {
    Method method;
    std::string path;
    std::string_view allowed;
  };
  const std::vector<Case> cases = {
      {Method::kGet, "/increment", "POST"},        {Method::kPut, "/increment", "POST"},
      {Method::kOther, "/increment", "POST"},      {Method::kGet, "/api/v1/events", "POST"},
      {Method::kDelete, "/api/v1/events", "POST"}, {Method::kPost, "/increment/" + std::string(kKey), "GET, HEAD"},
      {Method::kPost, "/healthz", "GET, HEAD"},    {Method::kDelete, "/readyz", "GET, HEAD"},
      {Method::kPost, "/metrics", "GET, HEAD"},
  };
  for (const Case& test : cases) {
    const FakeExchange& exchange = handled(request(test.method, test.path));
    EXPECT_EQ(exchange.status(), 405) << test.path;
    EXPECT_EQ(exchange.json()["status"], 405) << test.path;
    EXPECT_EQ(exchange.header("Allow"), test.allowed) << test.path;
  }
  EXPECT_TRUE(exposes(R"(tidemark_ingest_refused_total{reason="method_not_allowed"} 9)"));
}

TEST_F(Paths, others_go_to_the_next_handler) {
  struct Next final : net::Handler {
    void handle(net::Exchange& exchange) override { exchange.answer_preformatted(200, true); }
  } next;
  IngestPorts ports;
  ports.increments = &reader_;
  ports.clock = &clock_;
  IngestOptions options;
  options.next = &next;
  IngestRoutes routes(std::move(ports), options, metrics_);
  FakeExchange& exchange = request(Method::kGet, "/api/v1/meters");
  routes.handle(exchange);
  EXPECT_EQ(exchange.status(), 200);
}

TEST_F(Increments, is_answered_only_when_it_came_back) {
  FakeExchange& exchange = handled(request(Method::kPost, "/increment", kIncrement));
  EXPECT_FALSE(exchange.answered());
  ASSERT_EQ(submitted_.size(), 1u);
  EXPECT_EQ(submitted_.front()->kind, log::RecordKind::kIncrements);
  EXPECT_EQ(submitted_.front()->tenant, "default");
  decide({Verdict::kNew});
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.body(), "{}");
  EXPECT_TRUE(exposes(R"(tidemark_ingest_increments_total{verdict="new"} 1)"));
}

TEST_F(Increments, content_type_is_ignored) {
  for (const std::string_view type : {"", "text/plain", "application/x-www-form-urlencoded", "nonsense"}) {
    FakeExchange& exchange =
        handled(request(Method::kPost, "/increment", kIncrement).with_header("Content-Type", type));
    decide({Verdict::kNew});
    EXPECT_EQ(exchange.status(), 200) << type;
  }
}

TEST_F(Increments, refused_body_names_the_field) {
  const FakeExchange& exchange =
      handled(request(Method::kPost, "/increment", R"({"key":"12345678-1234-5678-1234-567812345678","value":0})"));
  EXPECT_EQ(exchange.status(), 400);
  EXPECT_EQ(exchange.content_type(), "application/problem+json");
  EXPECT_EQ(exchange.json()["errors"][0]["field"], "value");
  EXPECT_TRUE(submitted_.empty());
  EXPECT_TRUE(exposes(R"(tidemark_ingest_refused_total{reason="invalid_argument"} 1)"));
}

TEST_F(Increments, idempotency_key_makes_a_repeat_harmless_and_another_body_a_conflict) {
  FakeExchange& first = handled(request(Method::kPost, "/increment", kIncrement).with_header("idempotency-KEY", "abc"));
  EXPECT_TRUE(submitted_.front()->items[0].has_identity);
  decide({Verdict::kDuplicate});
  EXPECT_EQ(first.status(), 200);
  EXPECT_EQ(first.body(), "{}");
  FakeExchange& second =
      handled(request(Method::kPost, "/increment", kIncrement).with_header("Idempotency-Key", "abc"));
  decide({Verdict::kConflict});
  EXPECT_EQ(second.status(), 409);
  EXPECT_EQ(second.json()["errors"][0]["field"], "Idempotency-Key");
}

TEST_F(Increments, idempotency_key_must_be_one_of_bounded_length) {
  for (const std::string& key : {std::string(), std::string("a b"), std::string(256, 'x')}) {
    const FakeExchange& exchange =
        handled(request(Method::kPost, "/increment", kIncrement).with_header("Idempotency-Key", key));
    EXPECT_EQ(exchange.status(), 400) << key;
    EXPECT_EQ(exchange.json()["errors"][0]["field"], "Idempotency-Key") << key;
  }
  const FakeExchange& twice = handled(request(Method::kPost, "/increment", kIncrement)
                                          .with_header("Idempotency-Key", "a")
                                          .with_header("Idempotency-Key", "a"));
  EXPECT_EQ(twice.status(), 400);
  EXPECT_TRUE(submitted_.empty());
}

TEST_F(Increments, closed_doors_are_503_with_retry_after) {
  submit_error_ = Error(Errc::kUnavailable, "not accepting events now");
  const FakeExchange& at_the_door = handled(request(Method::kPost, "/increment", kIncrement));
  EXPECT_EQ(at_the_door.status(), 503);
  EXPECT_NE(at_the_door.header("Retry-After"), "");
  submit_error_.reset();

  FakeExchange& under_way = handled(request(Method::kPost, "/increment", kIncrement));
  submitted_.front()->outcome = fail(Errc::kUnavailable, "the log failed");
  decide({Verdict::kNew});
  EXPECT_EQ(under_way.status(), 503);
  EXPECT_NE(under_way.header("Retry-After"), "");
  EXPECT_TRUE(exposes(R"(tidemark_ingest_refused_total{reason="unavailable"} 2)"));
}

TEST_F(Increments, what_failed_inside_is_in_the_log_under_the_request_id) {
  FakeExchange& exchange = handled(request(Method::kPost, "/increment", kIncrement));
  submitted_.front()->outcome = fail(Errc::kIo, "the disk is gone");
  ::testing::internal::CaptureStderr();
  decide({Verdict::kNew});
  logging::flush();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(exchange.status(), 500);
  EXPECT_EQ(exchange.json().dump().find("the disk is gone"), std::string::npos);
  EXPECT_NE(log.find("the disk is gone"), std::string::npos) << log;
  EXPECT_NE(log.find(exchange.request_id()), std::string::npos) << log;
}

TEST_F(Increments, tenant_comes_from_the_resolver) {
  tenant_ = "acme";
  handled(request(Method::kPost, "/increment", kIncrement));
  EXPECT_EQ(submitted_.front()->tenant, "acme");
  handled(post_events(event("1")));
  EXPECT_EQ(submitted_.back()->tenant, "acme");
  handled(request(Method::kGet, "/increment/" + std::string(kKey)));
  EXPECT_EQ(reader_.tenants.back(), "acme");

  tenant_error_ = Error(Errc::kUnauthenticated, "send a token");
  EXPECT_EQ(handled(request(Method::kPost, "/increment", kIncrement)).status(), 401);
  EXPECT_EQ(handled(post_events(event("1"))).status(), 401);
  EXPECT_EQ(handled(request(Method::kGet, "/increment/" + std::string(kKey))).status(), 401);
}

TEST_F(IncrementTotals, are_answered_with_their_watermark) {
  FakeExchange& exchange = handled(request(Method::kGet, "/increment/" + std::string(kKey)));
  EXPECT_FALSE(exchange.answered());
  EXPECT_EQ(arrivals::uuid_to_text(reader_.keys.at(0)), kKey);
  reader_.waiting[0](IncrementTotal{42, parse_rfc3339("2024-05-01T12:00:00Z").value()});
  EXPECT_FALSE(exchange.answered()) << "only the io thread may answer";
  run_tasks();
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.body(),
            R"({"key":"12345678-1234-5678-1234-567812345678","value":42,"complete_through":"2024-05-01T12:00:00Z"})");
}

TEST_F(IncrementTotals, a_watermark_that_is_not_known_is_left_out) {
  FakeExchange& exchange = handled(request(Method::kGet, "/increment/" + std::string(kKey)));
  reader_.waiting[0](IncrementTotal{7, std::nullopt});
  run_tasks();
  EXPECT_EQ(exchange.body(), R"({"key":"12345678-1234-5678-1234-567812345678","value":7})");
}

TEST_F(IncrementTotals, an_unknown_key_is_404) {
  FakeExchange& exchange = handled(request(Method::kGet, "/increment/" + std::string(kKey)));
  reader_.waiting[0](std::optional<IncrementTotal>());
  run_tasks();
  EXPECT_EQ(exchange.status(), 404);
}

TEST_F(IncrementTotals, a_key_that_is_not_canonical_is_400) {
  for (const std::string_view key :
       {"", "x", "ABCDEF78-1234-5678-1234-567812345678", "12345678123456781234567812345678",
        "12345678-1234-5678-1234-567812345678/", "12345678%2D1234-5678-1234-567812345678"}) {
    const FakeExchange& exchange = handled(request(Method::kGet, "/increment/" + std::string(key)));
    EXPECT_EQ(exchange.status(), 400) << key;
    EXPECT_EQ(exchange.json()["errors"][0]["field"], "key");
  }
  EXPECT_TRUE(reader_.waiting.empty());
}

TEST_F(IncrementTotals, a_database_that_fails_is_told) {
  FakeExchange& exchange = handled(request(Method::kGet, "/increment/" + std::string(kKey)));
  reader_.waiting[0](fail(Errc::kConnectionLost, "the database went away"));
  run_tasks();
  EXPECT_EQ(exchange.status(), 503);
  reader_.full = true;
  EXPECT_EQ(handled(request(Method::kGet, "/increment/" + std::string(kKey))).status(), 503);
}

TEST_F(ContentTypes, choose_the_form) {
  struct Case {
    std::string_view content_type;
    std::string body;
    std::size_t events;
  };
  const std::vector<Case> cases = {
      {"application/cloudevents+json", event("1"), 1},
      {"application/cloudevents+json; charset=utf-8", event("1"), 1},
      {"Application/CloudEvents+JSON", event("1"), 1},
      {"application/cloudevents-batch+json", "[" + event("1") + "," + event("2") + "]", 2},
      {"application/json", event("1"), 1},
      {"application/json;charset=UTF-8", "[" + event("1") + "," + event("2") + "]", 2},
      {"application/x-ndjson", event("1") + "\n" + event("2") + "\n" + event("3"), 3},
  };
  for (const Case& test : cases) {
    FakeExchange& exchange = handled(post_events(test.body, test.content_type));
    ASSERT_EQ(submitted_.size(), 1u) << test.content_type << exchange.body();
    EXPECT_EQ(submitted_.front()->items.size(), test.events) << test.content_type;
    decide(std::vector<Verdict>(test.events, Verdict::kNew));
    EXPECT_EQ(exchange.status(), 204);
    EXPECT_EQ(exchange.body(), "");
  }
}

TEST_F(ContentTypes, binary_mode_is_told_by_its_headers) {
  for (const std::string_view type : {"application/json", ""}) {
    FakeExchange& exchange = post_events(R"({"a":1})", type);
    exchange.with_header("CE-SpecVersion", "1.0").with_header("ce-id", "1").with_header("ce-source", "s");
    exchange.with_header("ce-type", "t").with_header("ce-subject", "u");
    handled(exchange);
    ASSERT_EQ(submitted_.size(), 1u) << type << exchange.body();
    decide({Verdict::kNew});
    EXPECT_EQ(exchange.status(), 204);
  }
  FakeExchange& other = post_events("<a/>", "text/xml");
  other.with_header("ce-specversion", "1.0").with_header("ce-id", "1").with_header("ce-source", "s");
  other.with_header("ce-type", "t").with_header("ce-subject", "u");
  handled(other);
  EXPECT_EQ(other.status(), 400);
}

TEST_F(ContentTypes, others_are_415_and_told_which_are_taken) {
  for (const std::string_view type :
       {"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", ";"}) {
    const FakeExchange& exchange = handled(post_events(event("1"), type));
    EXPECT_EQ(exchange.status(), 415) << type;
    for (const char* taken : {"application/cloudevents+json", "application/cloudevents-batch+json", "application/json",
                              "application/x-ndjson", "ce-*"}) {
      EXPECT_NE(exchange.body().find(taken), std::string::npos) << taken;
    }
  }
}

TEST_F(PlainEvents, store_all_or_nothing) {
  handled(post_events(event("1")));
  EXPECT_TRUE(submitted_.front()->all_or_nothing);
  EXPECT_EQ(submitted_.front()->kind, log::RecordKind::kEvents);
}

TEST_F(PlainEvents, duplicates_are_a_success) {
  FakeExchange& exchange = handled(post_events("[" + event("1") + "," + event("2") + "]"));
  decide({Verdict::kDuplicate, Verdict::kNew});
  EXPECT_EQ(exchange.status(), 204);
  EXPECT_TRUE(exposes(R"(tidemark_ingest_events_total{verdict="duplicate"} 1)"));
  EXPECT_TRUE(exposes(R"(tidemark_ingest_events_total{verdict="new"} 1)"));
}

TEST_F(PlainEvents, with_an_invalid_one_are_refused_whole) {
  const FakeExchange& exchange = handled(post_events("[" + event("1") + ",{}," + event("") + ",7]"));
  EXPECT_EQ(exchange.status(), 400);
  EXPECT_TRUE(submitted_.empty());
  const auto errors = exchange.json()["errors"];
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0]["index"], 1);
  EXPECT_EQ(errors[0]["field"], "id");
  EXPECT_EQ(errors[1]["index"], 2);
  EXPECT_EQ(errors[2]["index"], 3);
  EXPECT_EQ(errors[2]["field"], "event");
  EXPECT_TRUE(exposes(R"(tidemark_ingest_events_total{verdict="invalid"} 3)"));
  EXPECT_TRUE(exposes(R"(tidemark_ingest_events_total{verdict="new"} 0)"));
}

TEST_F(PlainEvents, in_conflict_or_too_late_are_refused_whole) {
  FakeExchange& exchange =
      handled(post_events("[" + event("1") + "," + event("2") + "," + event("3") + "," + event("4") + "]"));
  decide({Verdict::kNew, Verdict::kConflict, Verdict::kDuplicate, Verdict::kTooLate});
  EXPECT_EQ(exchange.status(), 400);
  const auto errors = exchange.json()["errors"];
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0]["index"], 1);
  EXPECT_EQ(errors[0]["field"], "id");
  EXPECT_EQ(errors[1]["index"], 3);
  EXPECT_EQ(errors[1]["field"], "time");
  EXPECT_TRUE(exposes(R"(tidemark_ingest_events_total{verdict="conflict"} 1)"));
  EXPECT_TRUE(exposes(R"(tidemark_ingest_events_total{verdict="new"} 0)")) << "nothing was stored";
}

TEST_F(PlainEvents, list_at_most_a_thousand_errors) {
  std::string body = "[{}";
  for (int i = 0; i < 1'499; ++i) body += ",{}";
  const FakeExchange& exchange = handled(post_events(body + "]"));
  EXPECT_EQ(exchange.status(), 400);
  EXPECT_EQ(exchange.json()["errors"].size(), 1'000u);
  const std::string detail = exchange.json()["detail"];
  EXPECT_NE(detail.find("1500 of 1500"), std::string::npos) << detail;
  EXPECT_NE(detail.find("first 1000"), std::string::npos) << detail;
}

TEST_F(PlainEvents, an_empty_batch_is_a_success) {
  EXPECT_EQ(handled(post_events("[]")).status(), 204);
  EXPECT_TRUE(submitted_.empty());
}

TEST_F(PlainEvents, a_body_that_is_not_json_is_400) {
  for (const std::string_view query : {"", "?verdicts=true"}) {
    for (const std::string_view body : {"", "{", "[", "x", "[{}", "\xff"}) {
      EXPECT_EQ(handled(post_events(std::string(body), "application/json", query)).status(), 400) << body;
    }
  }
  std::string many = "[1";
  for (int i = 0; i < 5'000; ++i) many += ",1";
  EXPECT_EQ(handled(post_events(many + "]")).status(), 413);
}

TEST_F(EventVerdicts, come_in_request_order) {
  FakeExchange& exchange = handled(post_events(
      "[{}," + event("1") + "," + event("2") + R"(,{"id":"\"q\"","subject":7},)" + event("3") + "," + event("4") + "]",
      "application/json", "?verdicts=true"));
  ASSERT_EQ(submitted_.size(), 1u);
  EXPECT_FALSE(submitted_.front()->all_or_nothing);
  decide({Verdict::kNew, Verdict::kDuplicate, Verdict::kConflict, Verdict::kTooLate});
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.content_type(), "application/json");
  EXPECT_EQ(exchange.body(), R"({"counts":{"new":1,"duplicate":1,"conflict":1,"too_late":1,"invalid":2},"verdicts":[)"
                             R"({"verdict":"invalid","field":"id","detail":"is required and must not be empty"},)"
                             R"({"verdict":"new"},{"verdict":"duplicate"},)"
                             R"({"verdict":"invalid","field":"subject","detail":"must be a string"},)"
                             R"({"verdict":"conflict"},{"verdict":"too_late"}]})");
  for (const char* verdict : {"new", "duplicate", "conflict", "too_late"}) {
    EXPECT_TRUE(exposes("tidemark_ingest_events_total{verdict=\"" + std::string(verdict) + "\"} 1")) << verdict;
  }
}

TEST_F(EventVerdicts, can_be_asked_for_by_query_or_preference) {
  struct Case {
    std::string_view query;
    std::string_view prefer;
    bool verdicts;
  };
  const std::vector<Case> cases = {
      {"?verdicts=true", "", true},
      {"?a=b&verdicts=true&c", "", true},
      {"?verdicts=%74rue", "", true},
      {"?verdicts=false", "", false},
      {"?verdict=true", "", false},
      {"", "return=representation", true},
      {"", "respond-async, Return = \"representation\"; foo=1", true},
      {"?verdicts=false", "return=representation", true},
      {"", "return=minimal", false},
      {"", "noreturn=representation", false},
  };
  for (const Case& test : cases) {
    FakeExchange& exchange = post_events(event("1"), "application/json", test.query);
    if (!test.prefer.empty()) exchange.with_header("Prefer", "wait=1").with_header("Prefer", test.prefer);
    handled(exchange);
    decide({Verdict::kNew});
    EXPECT_EQ(exchange.status(), test.verdicts ? 200 : 204) << test.query << test.prefer;
    const bool preferred = test.prefer.find("representation") != std::string_view::npos && test.verdicts;
    EXPECT_EQ(exchange.header("Preference-Applied"), preferred ? "return=representation" : "") << test.prefer;
  }
  EXPECT_EQ(handled(post_events(event("1"), "application/json", "?verdicts=maybe")).status(), 400);
}

TEST_F(EventVerdicts, of_nothing_valid_need_no_submission) {
  const FakeExchange& invalid = handled(post_events("[1]", "application/json", "?verdicts=true"));
  EXPECT_EQ(invalid.status(), 200);
  EXPECT_EQ(invalid.json()["counts"]["invalid"], 1);
  const FakeExchange& empty = handled(post_events("[]", "application/json", "?verdicts=true"));
  EXPECT_EQ(empty.body(), R"({"counts":{"new":0,"duplicate":0,"conflict":0,"too_late":0,"invalid":0},"verdicts":[]})");
  EXPECT_TRUE(submitted_.empty());
}

TEST_F(EventVerdicts, times_are_judged_by_the_arrival_clock) {
  const std::string late = R"({"specversion":"1.0","source":"s","type":"t","subject":"u","id":"1","time":")" +
                           format_rfc3339(clock_.now() + std::chrono::minutes(6)) + "\"}";
  EXPECT_EQ(handled(post_events(late)).json()["errors"][0]["field"], "time");
  clock_.advance(std::chrono::minutes(2));
  handled(post_events(late));
  EXPECT_EQ(submitted_.size(), 1u);
}

TEST_F(Operations, the_process_lives) {
  EXPECT_EQ(handled(request(Method::kGet, "/healthz")).status(), 200);
  EXPECT_EQ(handled(request(Method::kHead, "/healthz")).status(), 200);
}

TEST_F(Operations, readiness_names_its_reasons) {
  readiness_.degraded = {"totals: the database can't be \"reached\""};
  const FakeExchange& ready = handled(request(Method::kGet, "/readyz"));
  EXPECT_EQ(ready.status(), 200);
  EXPECT_EQ(ready.json()["degraded"][0], "totals: the database can't be \"reached\"");
  readiness_.refusing = {"the backlog is full", "the flow totals stalled"};
  const FakeExchange& refused = handled(request(Method::kGet, "/readyz"));
  EXPECT_EQ(refused.status(), 503);
  const std::string detail = refused.json()["detail"];
  EXPECT_NE(detail.find("the backlog is full; the flow totals stalled"), std::string::npos) << detail;
}

TEST_F(Operations, metrics_are_in_the_prometheus_format) {
  const FakeExchange& exchange = handled(request(Method::kGet, "/metrics"));
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.content_type(), "text/plain; version=0.0.4");
  EXPECT_NE(exchange.body().find("tidemark_ingest_request_duration_seconds_bucket{route=\"events\""),
            std::string::npos);
}

TEST_F(Groups, come_back_with_one_task_for_each_thread) {
  for (int i = 0; i < 3; ++i) handled(request(Method::kPost, "/increment", kIncrement));
  for (int i = 0; i < 2; ++i) handled(request(Method::kPost, "/increment", kIncrement).on_thread(1));
  ASSERT_EQ(submitted_.size(), 5u);
  std::vector<arrivals::Submission*> first(submitted_.begin(), submitted_.begin() + 3);
  std::vector<arrivals::Submission*> second(submitted_.begin() + 3, submitted_.end());
  for (arrivals::Submission* submission : submitted_) submission->verdicts = {Verdict::kNew};
  posted_to_.clear();
  first[0]->sink->completed(first);
  second[0]->sink->completed(second);
  EXPECT_EQ(posted_to_, (std::vector<std::size_t>{0, 1}));
  run_tasks();
  for (const FakeExchange& exchange : exchanges_) EXPECT_EQ(exchange.status(), 200);
}

TEST_F(Groups, requests_of_one_round_are_submitted_together) {
  for (int i = 0; i < 3; ++i) routes_->handle(request(Method::kPost, "/increment", kIncrement));
  routes_->handle(request(Method::kPost, "/increment", kIncrement).on_thread(1));
  EXPECT_TRUE(submitted_.empty()) << "others may come in this round";
  run_tasks();
  EXPECT_EQ(groups_, (std::vector<std::size_t>{3, 1}));
  handled(request(Method::kPost, "/increment", kIncrement));
  EXPECT_EQ(groups_, (std::vector<std::size_t>{3, 1, 1}));
}

TEST_F(Groups, a_large_request_waits_for_nobody) {
  routes_->handle(request(Method::kPost, "/increment", kIncrement));
  std::string batch;
  for (int i = 0; i < 4'000; ++i) batch += event(std::to_string(i)) + "\n";
  routes_->handle(post_events(batch, "application/x-ndjson"));
  EXPECT_EQ(groups_, (std::vector<std::size_t>{2}));
  run_tasks();
  EXPECT_EQ(groups_, (std::vector<std::size_t>{2})) << "nothing was left to submit";
}

TEST_F(Groups, a_round_that_is_refused_is_answered_whole_and_the_next_is_not) {
  submit_error_ = Error(Errc::kUnavailable, "too many events are waiting for the disk");
  for (int i = 0; i < 3; ++i) routes_->handle(request(Method::kPost, "/increment", kIncrement));
  run_tasks();
  for (const FakeExchange& exchange : exchanges_) EXPECT_EQ(exchange.status(), 503);
  submit_error_.reset();
  FakeExchange& next = handled(request(Method::kPost, "/increment", kIncrement));
  decide({Verdict::kNew});
  EXPECT_EQ(next.status(), 200);
}

TEST_F(Groups, one_that_can_never_be_stored_harms_none_of_its_round) {
  FakeExchange& before = request(Method::kPost, "/increment", kIncrement);
  routes_->handle(before);
  admits_error_ = Error(Errc::kTooLarge, "too large for one segment");
  FakeExchange& huge = request(Method::kPost, "/increment", kIncrement);
  routes_->handle(huge);
  run_tasks();
  EXPECT_EQ(huge.status(), 413);
  decide({Verdict::kNew});
  EXPECT_EQ(before.status(), 200);
}

TEST_F(Groups, submissions_are_reused) {
  handled(request(Method::kPost, "/increment", kIncrement));
  const arrivals::Submission* const first = submitted_.front();
  decide({Verdict::kNew});
  handled(post_events(event("1")));
  EXPECT_EQ(submitted_.front(), first);
  EXPECT_EQ(submitted_.front()->items.size(), 1u);
}

TEST(PendingPool, keeps_no_more_memory_than_its_bound) {
  PendingPool pool;
  std::vector<Pending*> under_way;
  for (int i = 0; i < 100; ++i) {
    under_way.push_back(&pool.acquire());
    under_way.back()->submission.encoded.reserve(900u << 10);
  }
  Pending& large = pool.acquire();
  large.submission.encoded.reserve(2u << 20);
  pool.release(large);
  for (Pending* pending : under_way) pool.release(*pending);
  std::size_t kept = 0;
  for (int i = 0; i < 200; ++i) kept += pool.acquire().memory_bytes();
  EXPECT_LE(kept, (16u << 20) + 200 * sizeof(Pending) * 2);
  EXPECT_GE(kept, 15u << 20);
}

}  // namespace
}  // namespace tidemark::ingest_http
