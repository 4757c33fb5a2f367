#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fold_harness.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"
#include "tidemark/log/log.hpp"

namespace tidemark::meters {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Digest : public ::testing::Test {
 protected:
  Digest() {
    log::LogOptions options;
    options.directory = "log";
    options.segment_bytes = 1u << 20;
    options.max_group_bytes = 256u << 10;
    log::RecoveryReport report;
    log_ = must(log::Log::open(files_, clock_, random_, metrics_, options, report));
  }

  void commit(log::RecordKind kind, const std::string& payload) {
    group_.reset(clock_.now());
    group_.add(kind, as_bytes(payload));
    must(log_->commit(group_));
  }

  void define(const std::vector<DefinitionSource>& sources) {
    std::vector<std::string> problems;
    commit(log::RecordKind::kDefinitions, encode_definitions(must(make_definitions(sources, problems))));
  }

  void event(std::string_view subject, std::string_view data, std::uint64_t identity) {
    std::string payload;
    arrivals::encode_record_head(payload, "acme", 1);
    arrivals::Event event;
    event.identity.fingerprint = {identity, identity << 32};
    event.id = event.source = "x";
    event.type = "use";
    event.subject = subject;
    event.data = data;
    arrivals::encode_event(payload, event);
    commit(log::RecordKind::kEvents, payload);
  }

  std::string digest(log::Offset first, log::Offset end) {
    log::SegmentInfo segment;
    segment.first = first;
    segment.end = end;
    return must(digest_segment(*log_, segment));
  }

  MemoryFileSystem files_;
  ManualClock clock_;
  SeededRandom random_{1};
  Metrics metrics_;
  std::unique_ptr<log::Log> log_;
  log::GroupBuilder group_;
};

TEST_F(Digest, keeps_count_exact_sum_and_identities_of_each_window) {
  define({meter("m", "SUM", "$.n", {"TOTAL", "DAY"})});  // Record 1: the start record is the first.
  event("a", R"({"n":0.1})", 5);
  event("b", R"({"n":0.2})", 6);
  event("c", R"({"n":"none"})", 100);
  std::string payload;
  arrivals::encode_record_head(payload, "default", 2);
  arrivals::Increment increment;
  increment.value = INT64_MAX;
  arrivals::encode_increment(payload, increment);
  increment.identity = arrivals::Identity{{7, 8}, 9};
  arrivals::encode_increment(payload, increment);
  commit(log::RecordKind::kIncrements, payload);
  EXPECT_EQ(
      digest(0, 6),
      R"({"version":1,"log":")" + log_->id().to_string() +
          R"(","first":0,"end":6,"unreadable":0,"damage":[],"totals":[)"
          R"({"tenant":"acme","meter":"m","window_size":"TOTAL","window_start":"1970-01-01T00:00:00Z","events":2,"sum":"0.3",)"
          R"("identities":"00000000000000030000000300000000"},)"
          R"({"tenant":"acme","meter":"m","window_size":"DAY","window_start":"2024-05-01T00:00:00Z","events":2,"sum":"0.3",)"
          R"("identities":"00000000000000030000000300000000"}],"increments":[)"
          R"({"tenant":"default","events":2,"sum":"18446744073709551614","identities":"00000000000000070000000000000008"}]})");
}

TEST_F(Digest, takes_the_definitions_in_force_at_each_record) {
  define({meter("m", "SUM", "$.n")});
  event("a", R"({"n":1,"k":10})", 1);
  define({meter("m", "SUM", "$.k")});
  event("a", R"({"n":2,"k":20})", 2);
  event("a", R"({"n":3,"k":30})", 4);
  EXPECT_THAT(digest(0, 6), HasSubstr(R"("events":3,"sum":"51","identities":"00000000000000070000000700000000")"));
  EXPECT_THAT(digest(0, 3), HasSubstr(R"("events":1,"sum":"1")"));
  EXPECT_THAT(digest(4, 5), HasSubstr(R"("events":1,"sum":"20")")) << "in force since before the segment";
}

TEST_F(Digest, names_what_cannot_be_read) {
  define({meter("m", "COUNT")});
  commit(log::RecordKind::kEvents, "\x7f");
  EXPECT_THAT(digest(0, 3), HasSubstr(R"("unreadable":1)"));
  commit(log::RecordKind::kDefinitions, "{}");
  const auto refused = digest_segment(*log_, {.first = 0, .end = 4, .last_arrival = {}, .bytes = 0});
  EXPECT_FALSE(refused);
}

TEST_F(Digest, of_a_segment_without_definitions_has_no_totals) {
  event("a", "{}", 1);
  EXPECT_THAT(digest(0, 2), HasSubstr(R"("totals":[],"increments":[])"));
}

}  // namespace
}  // namespace tidemark::meters
