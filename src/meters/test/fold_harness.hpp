#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"
#include "tidemark/meters/definition.hpp"
#include "tidemark/meters/totals.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::meters {

/// Reads tidemark_totals_view, sorted by key, a line a row: `METER SUBJECT GROUP WINDOW START value=… events=…`; START
/// is left out for TOTAL, and GROUP when it is `{}`.
std::vector<std::string> read_totals(sql::Session& session, const std::string& condition = "1 = 1");
/// `TENANT KEY VALUE`, sorted; KEY is the first digit.
std::vector<std::string> read_counters(sql::Session& session);

/// Stands between a test and a TotalsFold as the flow kernel does: holds the records of a log in memory, cuts them into
/// pages, folds each and applies it in one transaction, again with care after an overflow.
class FoldHarness {
 public:
  /// On a new SQLite database.
  FoldHarness();
  explicit FoldHarness(std::unique_ptr<sql::Database> database);

  // What arrives. Each call is one record.
  void define(const std::vector<DefinitionSource>& sources);
  /// Lines of `TIME SUBJECT DATA`, of type `use`; TIME may be `-`: the arrival counts. DATA may be missing.
  void events(const std::vector<std::string>& lines, const std::string& tenant = "default");
  /// Lines of `KEY VALUE`; KEY is a digit, repeated to a UUID.
  void increments(const std::vector<std::string>& lines, const std::string& tenant = "default");
  void raw(log::RecordKind kind, std::string payload);
  void arrive_at(std::string_view time);
  /// Stands still in place of following arrivals.
  void trust(std::string_view time) { trusted_ = must(parse_rfc3339(time)); }
  /// How long after its arrival an event is folded.
  void fall_behind(microseconds by) { behind_ = by; }

  /// Folds all that came since the last call, in pages of at most so many items.
  void fold(std::size_t page_items = 1'000'000);
  /// The same, in pages whose sizes `next_size` (from 1) tells one by one.
  void fold_in_pages(const std::function<std::size_t()>& next_size);
  /// The same, but the page's first attempt is rolled back: a crash before the commit.
  void fold_after_a_crash();

  // What is in the database.
  std::vector<std::string> totals(const std::string& condition = "1 = 1") { return read_totals(*session_, condition); }
  std::vector<std::string> counters() { return read_counters(*session_); }
  std::int64_t count_rows(const std::string& name);
  std::string one_text(const std::string& query);
  /// `POSITION.INDEX TENANT REASON: DETAIL`.
  std::vector<std::string> dead() const;
  const std::vector<flow::DeadLetter>& dead_letters() const { return dead_; }

  sql::Session& session() { return *session_; }
  void execute(const std::string& statement);
  /// The table's name as it stands in a statement.
  std::string table(std::string_view name) const { return session_->dialect().table(name); }
  TotalsFold& fold_object() { return *fold_; }
  const log::Record& record(std::size_t number) const { return records_[number]; }
  const std::vector<log::Record>& records() const { return records_; }
  int exact_pages() const { return exact_pages_; }

 private:
  struct Part {
    std::size_t record = 0;
    std::uint32_t first = 0;
    std::uint32_t end = 0;
  };
  void fold_page(const std::vector<Part>& parts, flow::Care care);
  std::vector<std::vector<Part>> cut(const std::function<std::size_t()>& next_size) const;

  TemporaryDirectory directory_;
  Metrics metrics_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<sql::Session> session_;
  std::unique_ptr<TotalsFold> fold_;
  Timestamp arrival_;
  std::optional<Timestamp> trusted_;
  microseconds behind_{};
  std::deque<std::string> payloads_;
  std::vector<log::Record> records_;
  std::size_t folded_ = 0;  // Records.
  std::map<log::RecordKind, std::string> sticky_;
  std::vector<flow::DeadLetter> dead_;
  bool crash_ = false;
  int exact_pages_ = 0;
};

/// A source of a definition for events of type `use`.
DefinitionSource meter(std::string slug, std::string aggregation, std::string value_property = "$.n",
                       std::vector<std::string> windows = {"TOTAL"});

}  // namespace tidemark::meters
