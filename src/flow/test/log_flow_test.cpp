#include "tidemark/flow/log_flow.hpp"

#include <gmock/gmock.h>

#include <barrier>
#include <limits>
#include <thread>

#include "rig.hpp"

namespace tidemark::flow {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::int64_t kIntMax = std::numeric_limits<std::int64_t>::max();

/// `count` items of ten keys.
std::vector<Item> many(int count, int from = 0) {
  std::vector<Item> items;
  for (int i = from; i < from + count; ++i) items.push_back({"key " + std::to_string(i % 10), i});
  return items;
}

Sums sums_of(const std::vector<Item>& items) {
  Sums sums;
  for (const Item& item : items) sums[item.key] += item.value;
  return sums;
}

// --- Pages ---

TEST(LogFlow, applies_each_item_once) {
  Rig rig;
  rig.append({{"a", 1}, {"b", 2}});
  rig.append({{"a", 10}});
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 11}, {"b", 2}}));
  rig.append({{"a", 100}});
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 111}, {"b", 2}}));
  EXPECT_EQ(rig.cursor()->position, position_text({rig.log->synced_end(), 0}));
}

TEST(LogFlow, gathers_a_page_until_the_flush_interval_has_passed_since_its_first_record) {
  Rig rig;
  rig.flow->step();  // Opens the cursor and takes the start record.
  rig.run();
  const int before = rig.fold.applied_pages();
  rig.clock.advance(seconds(60));
  rig.append({{"a", 1}});
  EXPECT_GT(rig.flow->step(), microseconds(0));
  rig.clock.advance(milliseconds(600));
  rig.append({{"a", 2}});
  rig.flow->step();
  EXPECT_EQ(rig.fold.applied_pages(), before);
  rig.clock.advance(milliseconds(399));
  rig.flow->step();
  EXPECT_EQ(rig.fold.applied_pages(), before);
  rig.clock.advance(milliseconds(1));
  rig.flow->step();
  EXPECT_EQ(rig.fold.applied_pages(), before + 1);
  EXPECT_EQ(rig.sums(), (Sums{{"a", 3}}));
}

TEST(LogFlow, gathers_ten_times_as_long_as_the_last_commit_took_up_to_a_bound) {
  Rig rig({.flush_interval_max = seconds(4)});
  rig.run();
  for (const auto& [took, gathers] : std::vector<std::pair<microseconds, microseconds>>{
           {milliseconds(200), seconds(2)}, {seconds(3), seconds(4)}, {milliseconds(10), seconds(1)}}) {
    rig.fold.on_apply = [&rig, took = took] { rig.clock.advance(took); };
    rig.append({{"a", 1}});
    rig.flow->step(true);
    const int before = rig.fold.applied_pages();
    rig.append({{"a", 1}});
    rig.flow->step();
    rig.clock.advance(gathers - microseconds(1));
    rig.flow->step();
    EXPECT_EQ(rig.fold.applied_pages(), before);
    rig.clock.advance(microseconds(1));
    rig.flow->step();
    EXPECT_EQ(rig.fold.applied_pages(), before + 1);
  }
}

TEST(LogFlow, draining_waits_for_no_flush_interval) {
  Rig rig;
  rig.append({{"a", 1}});
  rig.flow->step(true);
  EXPECT_TRUE(rig.flow->caught_up());
  EXPECT_EQ(rig.sums(), (Sums{{"a", 1}}));
}

TEST(LogFlow, cuts_pages_at_their_bound_of_items_within_a_record_too) {
  Rig rig({.page_items = 7});
  rig.append(many(30));
  rig.append(many(5, 30));
  rig.flow->step();
  EXPECT_EQ(rig.cursor()->position, "1.7");
  EXPECT_EQ(rig.flow->status().state, FlowState::kCatchingUp);
  EXPECT_FALSE(rig.flow->caught_up());
  EXPECT_EQ(rig.flow->applied_offset(), 1u) << "the record is still needed";
  rig.run();
  EXPECT_THAT(rig.fold.page_sizes(), ElementsAre(7, 7, 7, 7, 7));
  EXPECT_EQ(rig.sums(), sums_of(many(35)));
}

TEST(LogFlow, goes_on_within_a_record_after_a_restart) {
  Rig rig({.page_items = 7});
  rig.append(many(30));
  rig.flow->step();
  rig.restart_log();
  rig.run();
  EXPECT_EQ(rig.sums(), sums_of(many(30)));
}

TEST(LogFlow, cuts_pages_at_their_bounds_of_rows_and_bytes) {
  const auto pages = [](LogFlowOptions options) {
    Rig rig(options);
    for (int i = 0; i < 20; ++i) rig.append({{"key " + std::to_string(i), 1}});
    rig.run();
    EXPECT_THAT(rig.sums(), SizeIs(20));
    return rig.fold.page_sizes();
  };
  EXPECT_THAT(pages({.page_rows = 8}), ElementsAre(8, 8, 4));
  EXPECT_GT(pages({.page_bytes = 60}).size(), 3u);
  EXPECT_THAT(pages({}), ElementsAre(20));
}

TEST(LogFlow, folds_with_the_definitions_in_force_at_each_position) {
  Rig rig({.page_items = 1});
  rig.append({{"a", 1}});
  rig.define(10);
  rig.append({{"a", 2}, {"a", 3}});
  rig.flow->step();
  rig.flow->step();
  rig.restart_log();
  rig.append({{"a", 4}});
  rig.define(100);
  rig.append({{"a", 5}});
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 1 + 20 + 30 + 40 + 500}}));
}

// --- Failures ---

/// Runs the same story with the connection struck at the call `after`; false when the story has fewer calls.
bool survives(std::uint64_t after, bool takes_effect, Errc code) {
  SCOPED_TRACE(std::to_string(after) + (takes_effect ? " with effect" : " without effect"));
  Rig rig({.page_items = 4, .exact_page_items = 4});
  rig.faulty->inject({.after = after, .code = code, .takes_effect = takes_effect});
  rig.append(many(10));
  rig.append({{std::string(300, 'p'), 1}, {"top", kIntMax}, {"top", 1}});
  rig.run();
  rig.append(many(3, 10));
  rig.run();
  Sums expected = sums_of(many(13));
  expected["top"] = kIntMax;
  EXPECT_EQ(rig.sums(), expected);
  const std::vector<DeadLetter> letters = rig.dead_letters();
  EXPECT_THAT(letters, SizeIs(2));
  if (letters.size() == 2) {
    EXPECT_EQ(letters[0].reason, "rejected");
    EXPECT_EQ(letters[1].reason, "overflow");
  }
  EXPECT_TRUE(rig.flow->caught_up());
  EXPECT_EQ(rig.flow->status().state, FlowState::kRunning);
  return !rig.faulty->clear();
}

TEST(LogFlowFailure, at_any_call_neither_loses_nor_doubles_an_item) {
  for (const bool takes_effect : {false, true}) {
    std::uint64_t call = 0;
    while (survives(call, takes_effect, Errc::kConnectionLost) && !::testing::Test::HasFailure()) ++call;
    EXPECT_GT(call, 40u) << "the story was expected to have more calls";
  }
}

TEST(LogFlowFailure, of_any_kind_neither_loses_nor_doubles_an_item) {
  for (const Errc code : {Errc::kTimeout, Errc::kContention, Errc::kDiskFull, Errc::kReadOnly, Errc::kInternal}) {
    for (std::uint64_t call = 0; survives(call, false, code) && !::testing::Test::HasFailure(); call += 5) {
    }
  }
}

TEST(LogFlowFailure, of_the_reply_to_commit_alone_repeats_nothing) {
  Rig rig;
  rig.append({{"a", 1}});
  rig.flow->step(true);
  const std::uint64_t before = rig.faulty->calls();
  rig.append({{"a", 1}});
  rig.flow->step(true);
  const std::uint64_t calls_of_a_page = rig.faulty->calls() - before;

  rig.append({{"a", 1}});
  rig.faulty->inject({.after = calls_of_a_page - 1, .takes_effect = true});
  rig.flow->step(true);
  EXPECT_FALSE(rig.faulty->clear());
  EXPECT_EQ(rig.flow->status().state, FlowState::kDegraded);
  const int applied = rig.fold.applied_pages();
  rig.run();
  EXPECT_EQ(rig.fold.applied_pages(), applied) << "the page was in the database already";
  EXPECT_EQ(rig.sums(), (Sums{{"a", 3}}));
  EXPECT_EQ(rig.flow->status().state, FlowState::kRunning);
  EXPECT_THAT(rig.metrics->exposition(), HasSubstr("tidemark_flow_items_total{flow=\"sums\"} 3"));
}

TEST(LogFlowFailure, is_told_and_tried_again_at_growing_intervals_with_a_cap) {
  Rig rig({.retry_min = milliseconds(100), .retry_max = seconds(2)});
  rig.run();
  rig.faulty->set_down(true);
  rig.append({{"a", 1}});
  microseconds longest{0};
  microseconds first = rig.flow->step(true);
  EXPECT_GE(first, milliseconds(50));
  EXPECT_LE(first, milliseconds(100));
  rig.clock.advance(first);
  for (int i = 0; i < 20; ++i) {
    const microseconds wait = rig.flow->step(true);
    EXPECT_GT(rig.flow->step(true), microseconds(0)) << "not before the wait is over";
    longest = std::max(longest, wait);
    rig.clock.advance(wait);
  }
  EXPECT_GE(longest, seconds(1));
  EXPECT_LE(longest, seconds(2));
  const FlowStatus status = rig.flow->status();
  EXPECT_EQ(status.state, FlowState::kDegraded);
  EXPECT_THAT(status.reason, Not(IsEmpty()));
  EXPECT_EQ(status.retries, 21u);
  EXPECT_GT(status.backlog_bytes, 0u);

  rig.faulty->set_down(false);
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 1}}));
  EXPECT_EQ(rig.flow->status().state, FlowState::kRunning);
  EXPECT_THAT(rig.flow->status().reason, IsEmpty());
  EXPECT_EQ(rig.flow->status().backlog_bytes, 0u);
}

TEST(LogFlowFailure, while_idle_is_told_too) {
  Rig rig;
  rig.run();
  rig.faulty->set_down(true);
  rig.clock.advance(seconds(5));
  rig.flow->step();
  EXPECT_EQ(rig.flow->status().state, FlowState::kDegraded);
}

TEST(LogFlowFailure, a_database_down_at_start_is_waited_for) {
  Rig rig;
  rig.faulty->set_down(true);
  rig.append({{"a", 1}});
  rig.run(true, 5);
  EXPECT_EQ(rig.flow->status().state, FlowState::kDegraded);
  EXPECT_EQ(rig.flow->applied_offset(), 0u);
  rig.faulty->set_down(false);
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 1}}));
}

TEST(LogFlowFailure, a_database_replaced_by_an_empty_one_is_filled_from_the_log) {
  Rig rig;
  rig.append({{"a", 1}});
  rig.run();
  for (const char* table : {"sums", "tidemark_cursors", "tidemark_schema", "tidemark_dead_letters"}) {
    must(rig.session()->execute(std::string("DROP TABLE ") + table));
  }
  rig.append({{"a", 10}});
  rig.run(true, 20);
  EXPECT_EQ(rig.sums(), (Sums{{"a", 11}}));
}

// --- Two runners ---

TEST(LogFlowTwice, two_runners_that_take_turns_double_nothing) {
  Rig rig({.page_items = 3});
  SumFold fold;
  LogFlow other(rig.options, *rig.log, *rig.database, fold, rig.clock, rig.random, *rig.metrics);
  for (int i = 0; i < 50; ++i) {
    rig.append(many(5, i * 5));
    for (int steps = 0; steps < 4; ++steps) {
      rig.clock.advance((rig.random.coin() ? *rig.flow : other).step(rig.random.coin()));
    }
  }
  rig.run();
  EXPECT_EQ(rig.sums(), sums_of(many(250)));
}

TEST(LogFlowTwice, two_runners_at_once_double_nothing) {
  Rig rig({.page_items = 3, .retry_min = milliseconds(1), .retry_max = milliseconds(5)});
  for (int i = 0; i < 40; ++i) rig.append(many(5, i * 5));
  SystemClock clock;
  SumFold folds[2];
  std::barrier start(2);
  const auto run = [&](SumFold& fold) {
    LogFlow flow(rig.options, *rig.log, *rig.database, fold, clock, rig.random, *rig.metrics);
    start.arrive_and_wait();
    for (int steps = 0; steps < 100'000 && !flow.caught_up(); ++steps) flow.step(true);
    EXPECT_TRUE(flow.caught_up());
  };
  std::jthread other(run, std::ref(folds[1]));
  run(folds[0]);
  other.join();
  EXPECT_EQ(rig.sums(), sums_of(many(200)));
}

TEST(LogFlowTwice, the_one_that_was_overtaken_says_so) {
  Rig rig;
  rig.flow->step(true);
  must(rig.session()->execute("UPDATE tidemark_cursors SET position = '0.0'"));
  rig.append({{"a", 1}});
  rig.flow->step(true);
  EXPECT_EQ(rig.flow->status().state, FlowState::kDegraded);
  EXPECT_THAT(rig.flow->status().reason, HasSubstr("stop one of them"));
}

// --- What is refused ---

/// Expects the flow to refuse, to say so with a remedy, and to have changed nothing.
void expect_refused(Rig& rig, const char* reason) {
  const Sums before = rig.sums();
  const auto cursor = rig.cursor();
  rig.run(true, 5);
  const FlowStatus status = rig.flow->status();
  EXPECT_EQ(status.state, FlowState::kRefused);
  EXPECT_THAT(status.reason, AllOf(HasSubstr(reason), HasSubstr("restore")));
  EXPECT_EQ(rig.sums(), before);
  EXPECT_EQ(rig.cursor(), cursor);
  EXPECT_EQ(rig.flow->applied_offset(), 0u) << "nothing may be trimmed";
}

TEST(LogFlowRefuses, another_log_than_the_database_was_fed_from) {
  Rig rig;
  rig.append({{"a", 1}});
  rig.run();
  rig.log_options.directory = "lost and made anew";
  rig.restart_log();
  rig.append({{"a", 1}});
  expect_refused(rig, "the data directory was lost or replaced");
  EXPECT_THAT(rig.flow->status().reason, HasSubstr("another server uses this database"));
}

TEST(LogFlowRefuses, a_trimmed_log_that_the_database_does_not_know) {
  Rig rig;
  while (rig.log->segments().size() < 3) rig.append(many(100));
  must(rig.log->drop_oldest());
  rig.run(true, 5);
  EXPECT_EQ(rig.flow->status().state, FlowState::kRefused);
  EXPECT_THAT(rig.flow->status().reason, HasSubstr("an empty database"));
}

TEST(LogFlowRefuses, an_older_database_under_a_trimmed_log) {
  Rig rig;
  rig.append(many(10));
  rig.run();
  while (rig.log->segments().size() < 3) rig.append(many(100));
  must(rig.log->drop_oldest());
  rig.open_flow();
  expect_refused(rig, "the database is older than the data directory");
}

TEST(LogFlowRefuses, an_older_data_directory_under_a_newer_database) {
  Rig rig;
  rig.append({{"a", 1}});
  const auto backup = rig.files.snapshot();
  for (int i = 0; i < 5; ++i) rig.append({{"a", 1}});
  rig.run();
  rig.files.restore(backup);
  rig.restart_log();
  expect_refused(rig, "the data directory is older than the database");
}

TEST(LogFlowRefuses, an_older_data_directory_that_has_grown_past_the_cursor_since) {
  for (const int grown : {0, 1, 2, 10}) {
    Rig rig;
    rig.append({{"a", 1}});
    const auto backup = rig.files.snapshot();
    rig.append({{"a", 10}});
    rig.run();
    rig.files.restore(backup);
    rig.restart_log();
    for (int i = 0; i < grown; ++i) rig.append({{"a", 100}});
    SCOPED_TRACE(grown);
    expect_refused(rig, "the data directory isn't the one that the database was fed from");
  }
}

TEST(LogFlowRefuses, an_older_data_directory_that_lacks_the_record_which_is_applied_in_part) {
  Rig rig({.page_items = 2});
  rig.append({{"a", 1}});
  const auto backup = rig.files.snapshot();
  rig.append({{"a", 10}, {"a", 10}, {"a", 10}});
  rig.flow->step();
  ASSERT_EQ(rig.cursor()->position, "2.1");
  rig.files.restore(backup);
  rig.restart_log();
  expect_refused(rig, "the data directory isn't the one that the database was fed from");
}

TEST(LogFlowRefuses, a_database_of_a_newer_version) {
  Rig rig;
  rig.run();
  must(rig.session()->execute("UPDATE tidemark_schema SET version = 99"));
  rig.open_flow();
  rig.run(true, 5);
  EXPECT_EQ(rig.flow->status().state, FlowState::kRefused);
  EXPECT_THAT(rig.flow->status().reason, HasSubstr("newer version"));
}

TEST(LogFlowRefuses, until_the_operator_has_put_it_right) {
  Rig rig;
  rig.run();
  must(rig.session()->execute("UPDATE tidemark_schema SET version = 99 WHERE part = 'kernel'"));
  rig.open_flow();
  rig.append({{"a", 1}});
  rig.run(true, 5);
  EXPECT_EQ(rig.flow->status().state, FlowState::kRefused);
  must(rig.session()->execute("UPDATE tidemark_schema SET version = 1 WHERE part = 'kernel'"));
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 1}}));
  EXPECT_EQ(rig.flow->status().state, FlowState::kRunning);
}

TEST(LogFlowAccepts, a_restart_with_everything_applied) {
  Rig rig;
  rig.append({{"a", 1}});
  rig.run();
  for (int starts = 0; starts < 3; ++starts) {
    rig.restart_log();
    rig.append({{"a", 1}});
    rig.run();
  }
  rig.restart_log();
  rig.restart_log();
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 4}}));
}

TEST(LogFlowAccepts, a_log_that_was_trimmed_up_to_the_cursor) {
  Rig rig;
  while (rig.log->segments().size() < 3) rig.append(many(100));
  rig.run();
  const Sums before = rig.sums();
  while (rig.log->oldest_trimmable(rig.flow->applied_offset(), Timestamp::max())) must(rig.log->drop_oldest());
  EXPECT_GT(rig.log->first_offset(), 0u);
  rig.restart_log();
  rig.append({{"new", 1}});
  rig.run();
  EXPECT_EQ(rig.flow->status().state, FlowState::kRunning);
  EXPECT_EQ(rig.sums()["new"], 1);
  EXPECT_EQ(rig.sums()["key 1"], before.at("key 1"));
}

TEST(LogFlowAccepts, an_older_database_under_a_log_that_holds_what_it_lacks) {
  Rig rig;
  rig.append({{"a", 1}});
  rig.run();
  const auto session = rig.session();
  must(session->execute("VACUUM INTO '" + rig.directory.file("backup.db") + "'"));
  rig.append({{"a", 10}});
  rig.run();
  rig.database = sql::sqlite::make_database({.path = rig.directory.file("backup.db")});
  rig.flow.reset();
  rig.faulty = std::make_unique<sql::testing::FaultyDatabase>(*rig.database);
  rig.restart_log();
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 11}}));
}

TEST(LogFlowAccepts, an_older_data_directory_whose_end_the_database_has_not_passed) {
  Rig rig;
  rig.append({{"a", 1}});
  rig.run();
  const auto backup = rig.files.snapshot();
  rig.append({{"a", 10}});  // Never applied.
  rig.files.restore(backup);
  rig.restart_log();
  rig.append({{"a", 100}});
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 101}}));
}

// --- Isolation ---

TEST(LogFlowIsolation, an_overflow_harms_its_own_item_alone) {
  Rig rig({.page_items = 3});
  rig.append({{"a", 1}, {"top", kIntMax}});
  rig.run();
  const log::Offset offset = rig.append({{"a", 1}, {"top", 1}, {"b", 1}});
  rig.append({{"a", 1}, {"top", -5}});
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"a", 3}, {"b", 1}, {"top", kIntMax - 5}}));
  const auto letters = rig.dead_letters();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].position, (log::Position{offset, 1}));
  EXPECT_EQ(letters[0].reason, "overflow");
  EXPECT_EQ(rig.flow->status().dead_letters, 1u);
}

TEST(LogFlowIsolation, a_refused_item_is_found_and_set_aside_alone) {
  Rig rig({.exact_page_items = 64});
  std::vector<Item> items = many(200);
  items[3].key = std::string(256, 'p');
  items[4].key = std::string(300, 'q');
  items[150].key = std::string(257, 'r');
  rig.append(items);
  rig.append(many(10));
  rig.run();
  Sums expected = sums_of(items);
  for (const auto& [key, value] : sums_of(many(10))) expected[key] += value;
  std::erase_if(expected, [](const auto& sum) { return sum.first.size() > 255; });
  EXPECT_EQ(rig.sums(), expected);
  const auto letters = rig.dead_letters();
  ASSERT_THAT(letters, SizeIs(3));
  EXPECT_EQ(letters[0].position, (log::Position{1, 3}));
  EXPECT_EQ(letters[1].position, (log::Position{1, 4}));
  EXPECT_EQ(letters[2].position, (log::Position{1, 150}));
  for (const DeadLetter& letter : letters) {
    EXPECT_EQ(letter.reason, "rejected");
    EXPECT_THAT(letter.payload, Not(IsEmpty()));
    EXPECT_THAT(letter.detail, HasSubstr("CHECK"));
  }
  EXPECT_LT(rig.fold.page_sizes().size(), 60u) << "items are looked for by halves";
  EXPECT_EQ(rig.flow->status().retries, 0u);
  EXPECT_EQ(rig.flow->status().state, FlowState::kRunning);

  const std::size_t pages = rig.fold.page_sizes().size();
  rig.append(many(100));
  rig.run();
  EXPECT_EQ(rig.fold.page_sizes().size(), pages + 1) << "pages are of the normal size again";
}

TEST(LogFlowIsolation, a_log_of_refused_items_alone_is_set_aside_whole) {
  Rig rig;
  for (int i = 0; i < 5; ++i) rig.append({{std::string(256, 'p'), i}, {std::string(257, 'q'), i}});
  rig.run();
  EXPECT_THAT(rig.dead_letters(), SizeIs(10));
  EXPECT_THAT(rig.sums(), IsEmpty());
  EXPECT_TRUE(rig.flow->caught_up());
}

TEST(LogFlowIsolation, a_damaged_span_of_the_log_is_one_dead_letter_and_the_rest_goes_on) {
  Rig rig;
  rig.append({{"before", 1}});
  const log::Offset damaged = rig.append({{"spoilt marker", 1}});
  rig.append({{"after", 1}});
  const std::string segment = must(rig.files.list("log")).front();
  for (const std::string& name : must(rig.files.list("log"))) {
    const std::string path = "log/" + name;
    const auto at = rig.files.durable_contents(path)->find("spoilt marker");
    if (at != std::string::npos) rig.files.flip_bit(path, at, 3);
  }
  rig.run();
  EXPECT_EQ(rig.sums(), (Sums{{"after", 1}, {"before", 1}}));
  const auto letters = rig.dead_letters();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].position, (log::Position{damaged, 0}));
  EXPECT_EQ(letters[0].reason, "corrupt");
  rig.open_flow();
  rig.run();
  EXPECT_THAT(rig.dead_letters(), SizeIs(1));
}

// --- Watermark ---

TEST(LogFlowWatermark, moves_with_time_once_an_interval_while_nothing_arrives) {
  Rig rig;
  rig.run();
  const std::uint64_t calls = rig.faulty->calls();
  Timestamp before = *rig.cursor()->complete_through;
  for (int i = 0; i < 10; ++i) {
    rig.clock.advance(milliseconds(100));
    rig.flow->step();
  }
  const Timestamp after = *rig.cursor()->complete_through;
  EXPECT_EQ(after, rig.clock.now());
  EXPECT_GT(after, before);
  EXPECT_LE(rig.faulty->calls() - calls, 4u) << "one transaction: begin, cursor, commit";
  EXPECT_EQ(rig.flow->status().complete_through, after);
}

TEST(LogFlowWatermark, is_the_time_before_the_logs_end_was_read) {
  Rig rig;
  rig.append({{"a", 1}});
  rig.clock.advance(seconds(7));
  rig.flow->step(true);
  EXPECT_EQ(rig.cursor()->complete_through, rig.clock.now());
}

TEST(LogFlowWatermark, of_a_page_that_ends_before_the_log_does_is_the_arrival_of_what_it_left_out) {
  Rig rig({.page_items = 2});
  rig.append({{"a", 1}});
  rig.clock.advance(seconds(1));
  const Timestamp second = rig.clock.now();
  rig.append({{"a", 1}, {"a", 1}});
  rig.clock.advance(seconds(1));
  rig.append({{"a", 1}});
  rig.clock.advance(seconds(10));
  rig.flow->step();
  ASSERT_EQ(rig.cursor()->position, "2.1");
  EXPECT_EQ(rig.cursor()->complete_through, second);
}

TEST(LogFlowWatermark, never_falls_when_the_clock_does) {
  Rig rig;
  rig.run();
  rig.clock.advance(seconds(2));
  rig.flow->step();
  const auto before = rig.cursor()->complete_through;
  rig.clock.step_wall(-seconds(3600 * 24 * 40));
  for (int i = 0; i < 5; ++i) {
    rig.clock.advance_monotonic(seconds(1));
    rig.flow->step();
  }
  EXPECT_EQ(rig.cursor()->complete_through, before);
  rig.clock.step_wall(seconds(3600 * 24 * 80));
  rig.clock.advance_monotonic(seconds(1));
  rig.flow->step();
  EXPECT_EQ(rig.cursor()->complete_through, rig.clock.now());
}

// --- Status ---

TEST(LogFlowStatus, tells_how_far_behind_it_is) {
  Rig rig;
  EXPECT_EQ(rig.flow->status().state, FlowState::kStarting);
  rig.run();
  rig.append(many(100));
  const FlowStatus behind = rig.flow->status();
  EXPECT_GT(behind.backlog_bytes, 0u);
  rig.run();
  const FlowStatus status = rig.flow->status();
  EXPECT_EQ(status.backlog_bytes, 0u);
  EXPECT_EQ(status.applied, (log::Position{rig.log->synced_end(), 0}));
  EXPECT_TRUE(status.last_success.has_value());
  EXPECT_LE(status.last_attempt, rig.clock.monotonic());
  rig.flow->note_stopped();
  EXPECT_EQ(rig.flow->status().state, FlowState::kStopped);
}

TEST(LogFlowStatus, the_backlog_is_counted_from_the_note_until_the_database_has_answered) {
  Rig rig;
  rig.append(many(5));
  rig.run();
  const log::Offset applied = rig.log->synced_end();
  for (int i = 0; i < 100; ++i) rig.append(many(5));
  rig.options.noted = rig.log->synced_end();  // As if the database were restored from an older backup meanwhile.
  rig.open_flow();
  rig.faulty->set_down(true);
  rig.flow->step();
  EXPECT_EQ(rig.flow->backlog_offset(), rig.options.noted);
  EXPECT_EQ(rig.flow->status().backlog_bytes, 0u);
  EXPECT_EQ(rig.flow->applied_offset(), 0u) << "nothing may be trimmed by it";
  EXPECT_FALSE(rig.flow->caught_up());
  rig.faulty->set_down(false);
  rig.clock.advance(seconds(10));
  rig.flow->step();
  EXPECT_EQ(rig.flow->applied_offset(), applied);
  EXPECT_EQ(rig.flow->backlog_offset(), applied) << "the database's word counts";
  EXPECT_GT(rig.flow->status().backlog_bytes, 0u);
}

TEST(LogFlowStatus, metrics_that_are_not_known_are_left_out) {
  Rig rig;
  const std::string before = rig.metrics->exposition();
  EXPECT_THAT(before, Not(HasSubstr("tidemark_flow_lag_seconds{")));
  EXPECT_THAT(before, Not(HasSubstr("tidemark_flow_backlog_bytes{")));
  EXPECT_THAT(before, Not(HasSubstr("tidemark_flow_last_success_timestamp_seconds{")));
  EXPECT_THAT(before, HasSubstr("tidemark_flow_state{flow=\"sums\",state=\"starting\"} 1"));
  rig.append(many(30));
  rig.run();
  rig.clock.advance(seconds(3));
  const std::string after = rig.metrics->exposition();
  EXPECT_THAT(after, HasSubstr("tidemark_flow_lag_seconds{flow=\"sums\"} 3"));
  EXPECT_THAT(after, HasSubstr("tidemark_flow_backlog_bytes{flow=\"sums\"} 0"));
  EXPECT_THAT(after, HasSubstr("tidemark_flow_items_total{flow=\"sums\"} 30"));
  const std::string bytes = std::to_string(encode(many(30)).size() + 24);  // And the start record.
  EXPECT_THAT(after, HasSubstr("tidemark_flow_bytes_total{flow=\"sums\"} " + bytes + "\n"));
  EXPECT_THAT(after, HasSubstr("tidemark_flow_rows_total{flow=\"sums\"} 10"));
  EXPECT_THAT(after, HasSubstr("tidemark_flow_pages_total{flow=\"sums\"} 1"));
  EXPECT_THAT(after, HasSubstr("tidemark_flow_state{flow=\"sums\",state=\"running\"} 1"));
  EXPECT_THAT(after, HasSubstr("tidemark_flow_state{flow=\"sums\",state=\"starting\"} 0"));
}

TEST(LogFlowStatus, metrics_outlive_the_flow) {
  Rig rig;
  rig.run();
  rig.flow.reset();
  rig.log.reset();
  EXPECT_THAT(rig.metrics->exposition(), HasSubstr("tidemark_flow_pages_total"));
}

}  // namespace
}  // namespace tidemark::flow
