#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/base/random.hpp"
#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"
#include "tidemark/flow/log_flow.hpp"
#include "tidemark/sql/sqlite/database.hpp"
#include "tidemark/sql/testing/faulty_database.hpp"

namespace tidemark::flow {

/// An item of the tests' records: `value`, times the factor in force, is added to the sum of `key`.
struct Item {
  std::string key;
  std::int64_t value = 0;
};

std::string encode(const std::vector<Item>& items);
std::vector<Item> decode(Bytes payload);

using Sums = std::map<std::string, std::int64_t>;

/// Sums per key into the table `sums`, whose keys have at most 255 characters: a longer one is what the database
/// refuses. A sum out of range is dead-lettered under Care::kExact.
class SumFold final : public LogFold {
 public:
  std::string_view name() const noexcept override { return "sums"; }
  Result<void> migrate(sql::Session& session) override;
  Result<void> begin(const std::map<log::RecordKind, std::string>& sticky, Care care) override;
  std::uint32_t item_count(const log::Record& record) const override;
  void add(const log::Record& record, std::uint32_t first, std::uint32_t end) override;
  std::size_t pending_rows() const noexcept override { return keys_.size(); }
  Result<void> apply(sql::Session& session, Timestamp now, std::vector<DeadLetter>& dead) override;
  DeadLetter describe(const log::Record& record, std::uint32_t index) const override;

  int applied_pages() const noexcept { return applied_; }
  const std::vector<std::size_t>& page_sizes() const noexcept { return page_sizes_; }

  std::function<void()> on_apply = [] {};  ///< Called by each apply().

 private:
  struct Added {
    log::Position position;
    Item item;
  };

  Care care_ = Care::kFast;
  std::int64_t factor_ = 1;
  std::vector<Added> items_;
  std::map<std::string, int> keys_;
  int applied_ = 0;
  std::vector<std::size_t> page_sizes_;
};

/// A log in memory, a SQLite database on disk whose connections can be broken, and a flow between them.
struct Rig {
  explicit Rig(LogFlowOptions with = {});

  /// Opens the log again, as a new start of the server.
  void restart_log();
  void open_flow();
  /// Opens another, empty database in place of this one.
  void replace_database();

  log::Offset append(const std::vector<Item>& items);
  void define(std::int64_t factor);
  /// Steps, moving the clock by what each step asks for, until all is applied or `steps` have passed.
  void run(bool drain = true, int steps = 10'000);

  Sums sums();
  std::vector<DeadLetter> dead_letters();
  std::optional<Cursor> cursor();
  std::unique_ptr<sql::Session> session() { return must(database->connect()); }
  CursorKey key() const { return {"sums", log->id().to_string(), 0}; }

  LogFlowOptions options;
  log::LogOptions log_options{.directory = "log", .segment_bytes = 64 << 10, .prepare_in_background = false};
  TemporaryDirectory directory;
  MemoryFileSystem files;
  ManualClock clock;
  SeededRandom random{1};
  SystemRandom ids;  // Starts and logs of one test must not share ids with each other.
  std::unique_ptr<Metrics> metrics = std::make_unique<Metrics>();
  std::unique_ptr<log::Log> log;
  int databases = 0;
  std::unique_ptr<sql::Database> database;
  std::unique_ptr<sql::testing::FaultyDatabase> faulty;
  SumFold fold;
  std::unique_ptr<LogFlow> flow;
};

}  // namespace tidemark::flow
