#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"
#include "tidemark/sql/session.hpp"

/// Named workloads that measure the main job, so that others can repeat what docs/performance.md claims.
namespace tidemark::bench {

enum class Workload : std::uint8_t {
  kSingle,   ///< One event a request over kept connections.
  kBatch,    ///< Many events a request.
  kClaims,   ///< Log and key set in this process: look-up, insert, fsync.
  kFlush,    ///< The totals flow into SQL, against a bulk upsert written by hand into the same table.
  kStart,    ///< A server's start with an empty directory, what it uses idle, and its start with claims and a log tail.
  kSoak,     ///< Single events and batches at steady rates, watching the server's memory.
  kPreload,  ///< Nothing but the preloaded claims, for runs that go on with the directory or a copy of it.
};

/// How a batch is written.
enum class BatchForm : std::uint8_t { kLines, kArray };

struct Options {
  Workload workload = Workload::kSingle;
  std::string server;     ///< URL of a running server; empty: one is started and stopped.
  int server_pid = 0;     ///< Of a running server on this machine, to read what it uses; 0: unknown.
  std::string database;   ///< URL; empty: SQLite in `directory`, and with `server` no check of the result.
  std::string directory;  ///< For the data; empty: a temporary one, removed afterwards.
  bool reused = false;    ///< `directory` may hold what an earlier run of the workload left: it goes on with that.
  seconds measured{60};
  seconds warm_up{5};
  double rate = 0;  ///< Requests a second, sent on schedule whatever the answers (open loop); 0: as fast as answered.
  std::uint64_t events_max = 0;  ///< Ends the measured time after so many events; 0: only `measured` does.
  double batch_rate = 20;        ///< Batches a second of the soak, beside `rate` single events.
  std::size_t connections = 64;
  std::uint64_t subjects = 10'000;
  double duplicates = 0;  ///< Share of events that repeat an earlier one, 0 to below 1.
  std::size_t batch_events = 1'000;
  std::size_t event_bytes = 200;
  BatchForm form = BatchForm::kLines;
  bool flows = true;                     ///< False: the database can't be reached while it is measured.
  bool pinned = false;                   ///< Server on the first core, generator on the last.
  std::uint64_t preloaded_claims = 0;    ///< In the key set before it begins, spread over the identity window.
  std::uint32_t preloaded_buckets = 32;  ///< Into so many steps of arrival time.
  std::uint64_t keyset_memory_bytes = 256ull << 20;
  std::uint64_t keys = 100'000;           ///< Changed in one flush.
  std::uint64_t tail_bytes = 1ull << 30;  ///< Of log behind the last checkpoint and the flow, for the start.
  bool json = false;
};

/// What a workload needs of the program.
struct Surroundings {
  std::string program;  ///< The tidemark that is started as server.
  std::function<Result<std::unique_ptr<sql::Database>>(const std::string& url)> open_database;
  std::function<Result<void>(const std::string& directory)> mark_data_directory;
};

/// Runs the workload and prints what it measured. The result of the work is checked: the last line tells whether what
/// was acknowledged is what the store holds. Errors: kInternal when it isn't; those of the server and the database.
Result<void> run(const Options& options, const Surroundings& surroundings, std::ostream& out);

}  // namespace tidemark::bench
