#include "increment_reads.hpp"

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/logging.hpp"
#include "tidemark/meters/totals.hpp"

namespace tidemark::app {

IncrementReads::IncrementReads(sql::Database& database, std::string log_id)
    : database_(database), log_id_(std::move(log_id)) {}

IncrementReads::~IncrementReads() {
  stop();
}

void IncrementReads::start() {
  thread_ = std::thread([this] { run(); });
}

void IncrementReads::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  for (Question& question : waiting_) question.done(fail(Errc::kUnavailable, "the server is shutting down"));
  waiting_.clear();
}

Result<void> IncrementReads::read(std::string_view tenant, const std::array<std::byte, 16>& key, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= kQueueMax) {
      return fail(Errc::kUnavailable, "too many requests wait for the database; ask again later");
    }
    waiting_.push_back({std::string(tenant), key, std::move(done)});
  }
  wake_.notify_one();
  return {};
}

void IncrementReads::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const Question question = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    question.done(look_up(question));
    lock.lock();
  }
}

Result<std::optional<ingest_http::IncrementTotal>> IncrementReads::look_up(const Question& question) {
  const auto unavailable = [](const Error& error) {
    logging::debug("a counter could not be read", {{"error", error}});
    return fail(Errc::kUnavailable, "the database can't be asked now; ask again later");
  };
  if (!session_) {
    auto connected = database_.connect();
    if (!connected) return unavailable(connected.error());
    session_ = std::move(*connected);
  }
  auto total = meters::read_increment(*session_, question.tenant, arrivals::uuid_to_text(question.key), log_id_);
  if (!total) {
    session_.reset();
    return unavailable(total.error());
  }
  if (!*total) return std::optional<ingest_http::IncrementTotal>();
  return std::optional(ingest_http::IncrementTotal{(*total)->value, (*total)->complete_through});
}

}  // namespace tidemark::app
