#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ingest_metrics.hpp"
#include "request_form.hpp"
#include "tidemark/arrivals/submission.hpp"
#include "tidemark/ingest/event_parser.hpp"
#include "tidemark/ingest_http/ingest_routes.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::ingest_http {

/// One request whose submission is under way.
struct Pending {
  arrivals::Submission submission;
  ingest::ParsedEvents parsed;
  RequestForm form;
  net::Exchange* exchange = nullptr;
  MonotonicTime began;
  std::size_t slot = 0;  ///< Its place among those under way.

  std::size_t memory_bytes() const noexcept;
};

/// Keeps submissions for reuse, so that a warm server allocates nothing for them. One thread.
class PendingPool {
 public:
  Pending& acquire();
  void release(Pending& pending);

 private:
  std::vector<std::unique_ptr<Pending>> under_way_;
  std::vector<std::unique_ptr<Pending>> free_;
  std::size_t free_bytes_ = 0;
};

/// What belongs to one io thread: its parsers, its submissions, and the way back from the committer.
///
/// *Concurrency*: completed() on the committer's thread, everything else on the io thread.
class Lane final : public arrivals::CompletionSink {
 public:
  Lane(std::size_t io_thread, const IngestPorts& ports, const IngestOptions& options, IngestMetrics& metrics);

  void post_increment(net::Exchange& exchange);
  void get_increment(net::Exchange& exchange, std::string_view key);
  void post_events(net::Exchange& exchange);
  void completed(std::span<arrivals::Submission* const> submissions) noexcept override;
  /// Answers with a problem, and counts it.
  void refuse(net::Exchange& exchange, const Error& error, std::span<const net::ProblemField> fields = {});

 private:
  Pending* begin(net::Exchange& exchange);
  void submit(Pending& pending);
  void submit_parsed();
  void refuse_and_release(Pending& pending, const Error& error);
  Result<void> parse_increment(Pending& pending, std::string& field);
  void answer_arrived();
  void answer(Pending& pending);
  void answer_increment(Pending& pending);
  void answer_events(Pending& pending);
  void answer_total(net::Exchange& exchange, const std::array<std::byte, 16>& key,
                    const Result<std::optional<IncrementTotal>>& total);
  /// Gives the pending back and then answers: the exchange may begin the next one at once.
  void answer_and_release(Pending& pending, net::Response response);

  const std::size_t io_thread_;
  const IngestPorts& ports_;
  IngestMetrics& metrics_;
  ingest::EventParser event_parser_;
  ingest::IncrementParser increment_parser_;
  PendingPool pool_;
  std::vector<arrivals::Submission*> parsed_;  // On their way to ports_.submit().
  std::size_t parsed_bytes_ = 0;               // Of their encodings.
  MonotonicTime drained_at_{};
  std::vector<arrivals::Submission*> draining_;
  VerdictCounts increment_counts_{};

  std::mutex mutex_;  // Guards what follows.
  std::vector<arrivals::Submission*> arrived_;
};

}  // namespace tidemark::ingest_http
