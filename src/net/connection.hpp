#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "byte_buffer.hpp"
#include "chunked.hpp"
#include "head.hpp"
#include "io_thread.hpp"

namespace tidemark::net {

/// One client's connection and, as requests come one after the other, the exchange of the current one. A coroutine
/// owns it: reads a head and its body, calls the handler, waits for the answer, writes it. *Lifetime*: until the
/// current exchange is answered, even if the client has gone; or until the thread shuts down. *Concurrency*: confined
/// to its io thread.
class Connection final : public Exchange {
 public:
  /// `counted`: the server's count that this connection leaves at its end.
  Connection(Socket socket, IoThread& thread, std::atomic<std::size_t>& counted);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Serves requests until either side closes.
  static Awaitable<> serve(std::unique_ptr<Connection> self);
  /// Answers 503 without reading, for a connection past the limit.
  static Awaitable<> refuse(std::unique_ptr<Connection> self);

  const Request& request() const noexcept override { return request_; }
  void answer(Response response) override;
  void answer_preformatted(int status, bool json_object) override;
  std::size_t io_thread() const noexcept override { return thread_.index(); }
  std::string_view request_id() const noexcept override;

  /// Ends the wait that is past its deadline and gives back what an idle connection doesn't need.
  void sweep(MonotonicTime now);
  /// Closes the connection if it is between requests.
  void close_if_idle();
  /// Closes the connection in any state. An exchange that is still unanswered ends to exist.
  void abort();
  /// Writes what the socket takes of the answer, unless further requests are at hand whose answers may go with it.
  void send_answer();
  /// Goes on after the answer; only through IoThread::resume_later().
  void resume();

  std::size_t slot = 0;  ///< The thread's place for it.

 private:
  /// Response bytes: `head` may hold several responses, `tail` the large body of the last.
  struct Output {
    std::string head;
    std::string tail;
    std::size_t sent = 0;
    bool done() const noexcept { return sent == head.size() + tail.size(); }
    std::array<asio::const_buffer, 2> rest() const noexcept;
    void clear() noexcept;
  };
  enum class Phase : std::uint8_t { kIdle, kHead, kBody, kAnswering, kWriting, kLingering };
  enum class BodyPlace : std::uint8_t { kInput, kBody };
  using AnswerWaiter = asio::async_result<asio::use_awaitable_t<IoExecutor>, void()>::handler_type;

  Awaitable<> serve_requests();
  Awaitable<> read_body();
  Awaitable<> wait_for_answer();
  Awaitable<> send_rest();
  Awaitable<> finish();
  Awaitable<> linger();

  void enter(Phase phase, microseconds timeout);
  void progressed(std::size_t bytes, microseconds timeout);

  HeadState look_for_head();
  void prepare_head_read();
  void head_read_failed(const boost::system::error_code& error);
  bool begin_request();
  bool take_arrived_body();
  bool take_chunks();
  asio::mutable_buffer body_room();
  bool take_body(std::size_t bytes);
  bool finish_body();
  void pad_input_body();
  void end_request();

  void refuse_with(int status, RefusedFor reason, std::string_view detail);
  void write_refusal();
  bool send_now();
  void begin_answer(int status);
  void end_answer();
  ConnectionHeader connection_header() const noexcept;
  const HttpServerOptions& options() const noexcept { return thread_.server().options; }

  IoThread& thread_;
  std::atomic<std::size_t>& counted_;
  Socket socket_;
  std::string remote_address_;

  Phase phase_ = Phase::kIdle;
  MonotonicTime deadline_ = MonotonicTime::max();
  std::size_t progress_ = 0;  ///< Bytes since the deadline was last renewed.
  bool seen_idle_ = false;    ///< By the last sweep.
  bool closing_ = false;      ///< Asked to close while idle.
  bool lost_ = false;         ///< The peer is gone or the connection aborted; nothing is written any more.
  bool aborted_ = false;      ///< By abort().
  bool close_ = false;        ///< After the current answer.
  std::optional<Refusal> refusal_;

  ByteBuffer in_;  ///< [start_, size) is unread: a head, perhaps its body, perhaps further requests.
  std::size_t start_ = 0;
  HeadProgress head_progress_ = 0;  ///< Within [start_, size).
  bool skipped_line_ = false;       ///< The one empty line that may stand before a request.

  Request request_;
  Framing framing_;
  std::size_t head_end_ = 0;     ///< In in_.
  std::size_t request_end_ = 0;  ///< In in_.
  BodyPlace body_place_ = BodyPlace::kInput;
  ByteBuffer body_;  ///< Bodies that don't fit behind their head, and the payload of chunks.
  ByteBuffer unpacked_;
  ChunkDecoder chunks_{0};
  std::array<char, kBodyPadding> covered_;  ///< What the padding of a body in in_ hides meanwhile.
  std::size_t covered_size_ = 0;

  Output out_;
  Output sending_;  ///< Being written by a suspended coroutine, while an answer may go into out_.
  bool answered_ = false;
  std::optional<AnswerWaiter> waiter_;  ///< The suspended coroutine, when it waits for the answer.
  std::uint64_t request_number_ = 0;
  mutable std::array<char, 40> id_;
  mutable std::size_t id_size_ = 0;  ///< 0 until asked for.
};

}  // namespace tidemark::net
