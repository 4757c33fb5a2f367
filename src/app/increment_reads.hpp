#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "tidemark/ingest_http/ports.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::app {

/// Answers `GET /increment/{key}` from SQL, on a thread and a session of its own, so that io threads never wait for a
/// database. *Limits*: kQueueMax requests wait; past that read() refuses. A session that failed is dropped and opened
/// again with the next request.
class IncrementReads final : public ingest_http::IncrementReader {
 public:
  IncrementReads(sql::Database& database, std::string log_id);
  ~IncrementReads() override;
  void start();
  /// Answers what waits with kUnavailable and ends the thread; waits for a query under way.
  void stop();

  Result<void> read(std::string_view tenant, const std::array<std::byte, 16>& key, Done done) override;

  static constexpr std::size_t kQueueMax = 1024;

 private:
  struct Question {
    std::string tenant;
    std::array<std::byte, 16> key;
    Done done;
  };
  void run();
  Result<std::optional<ingest_http::IncrementTotal>> look_up(const Question& question);

  sql::Database& database_;
  const std::string log_id_;
  std::unique_ptr<sql::Session> session_;  // Confined to the thread.
  std::mutex mutex_;                       // Guards the two below.
  std::deque<Question> waiting_;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace tidemark::app
