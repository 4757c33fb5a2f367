#include "connection.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <cstdio>
#include <cstring>

#include "problem.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::net {
namespace {

using boost::system::error_code;

constexpr std::size_t kInputBytes = 4096;  // Holds a usual request whole; what an idle connection costs.
constexpr std::size_t kLeastRoom = 2048;   // Behind a head, for what a read may bring.
constexpr std::size_t kFirstBodyBytes = 64u
                                        << 10;  // A body's buffer grows with what arrives, not with what is announced.
constexpr std::size_t kKeptBodyBytes = 1u << 20;     // What a busy connection keeps of a large body's memory.
constexpr std::size_t kCopiedBodyBytes = 16u << 10;  // A response body up to this is copied behind its head.
constexpr std::size_t kUnsentBytes = 64u << 10;      // Answers to pipelined requests are gathered up to this.
constexpr std::size_t kRenewingBytes = 64u << 10;    // Progress that renews the deadline of a body or a write.
constexpr std::size_t kLingerBytes = 32u << 20;
constexpr seconds kLingerTimeout{2};
constexpr int kRetryAfterSeconds = 1;
constexpr std::size_t kLoggedProblemBytes = 512;
constexpr std::array<char, kBodyPadding> kNoBody{};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string address_of(const Socket& socket) {
  error_code error;
  const auto peer = socket.remote_endpoint(error);
  return error ? std::string() : peer.address().to_string();
}

}  // namespace

std::array<asio::const_buffer, 2> Connection::Output::rest() const noexcept {
  const std::size_t head_sent = std::min(sent, head.size());
  const std::size_t tail_sent = sent - head_sent;
  return {asio::const_buffer(head.data() + head_sent, head.size() - head_sent),
          asio::const_buffer(tail.data() + tail_sent, tail.size() - tail_sent)};
}

void Connection::Output::clear() noexcept {
  head.clear();
  if (head.capacity() > kUnsentBytes) head = std::string();
  tail = std::string();
  sent = 0;
}

Connection::Connection(Socket socket, IoThread& thread, std::atomic<std::size_t>& counted)
    : thread_(thread), counted_(counted), socket_(std::move(socket)), remote_address_(address_of(socket_)) {
  error_code ignored;  // Of a socket whose peer has gone already; the first read tells.
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  request_.remote_address = remote_address_;
  thread_.add(*this);
}

Connection::~Connection() {
  thread_.remove(*this);
  thread_.server().leave(counted_);
}

// --- The coroutines -------------------------------------------------------------------------------------------------

Awaitable<> Connection::serve(std::unique_ptr<Connection> self) {
  co_await self->serve_requests();
  co_await self->finish();
}

Awaitable<> Connection::refuse(std::unique_ptr<Connection> self) {
  self->refuse_with(503, RefusedFor::kConnections, "too many connections; try again later");
  co_await self->finish();
}

Awaitable<> Connection::serve_requests() {
  error_code error;
  while (!lost_) {
    const HeadState head = look_for_head();
    if (head == HeadState::kIncomplete) {
      if (!send_now()) co_await send_rest();
      if (lost_) co_return;
      prepare_head_read();
      const std::size_t count = co_await socket_.async_read_some(asio::mutable_buffer(in_.room(), in_.room_size()),
                                                                 asio::redirect_error(kAwait, error));
      if (error) {
        head_read_failed(error);
        co_return;
      }
      in_.commit(count);
      continue;
    }
    if (refusal_ || !begin_request()) co_return;
    if (framing_.body != BodyFraming::kNone && !take_arrived_body()) co_await read_body();
    if (lost_ || refusal_ || !finish_body()) co_return;

    enter(Phase::kAnswering, microseconds::max());
    thread_.server().handler.handle(*this);
    if (!answered_) co_await wait_for_answer();
    if (!answered_) co_return;  // Aborted.
    end_request();
    if (close_) co_return;
    if (!out_.tail.empty() || out_.head.size() > kUnsentBytes) {
      if (!send_now()) co_await send_rest();
    }
  }
}

Awaitable<> Connection::read_body() {
  if (framing_.expects_continue && in_.size() == head_end_) out_.head += kContinue;
  if (!send_now()) co_await send_rest();
  enter(Phase::kBody, options().body_timeout);
  error_code error;
  bool whole = false;
  while (!whole && !lost_ && !refusal_) {
    const std::size_t count = co_await socket_.async_read_some(body_room(), asio::redirect_error(kAwait, error));
    if (error == asio::error::operation_aborted && !lost_) {
      refuse_with(408, RefusedFor::kSlowBody, "the request's body came too slowly");
    } else if (error) {
      lost_ = true;
    } else {
      progressed(count, options().body_timeout);
      whole = take_body(count);
    }
  }
}

Awaitable<> Connection::wait_for_answer() {
  // What pipelined requests were answered before must not wait for this one.
  if (!send_now()) co_await send_rest();
  enter(Phase::kAnswering, microseconds::max());
  // Even with the peer gone: the handler holds a reference to this exchange until it has answered.
  if (answered_ || aborted_) co_return;
  co_await asio::async_initiate<const asio::use_awaitable_t<IoExecutor>, void()>(
      [this](AnswerWaiter waiter) { waiter_.emplace(std::move(waiter)); }, kAwait);
}

Awaitable<> Connection::send_rest() {
  std::swap(out_, sending_);  // An answer may come into out_ meanwhile.
  enter(Phase::kWriting, options().write_timeout);
  error_code error;
  while (!lost_ && !sending_.done()) {
    const std::size_t count = co_await socket_.async_write_some(sending_.rest(), asio::redirect_error(kAwait, error));
    if (error) lost_ = true;
    sending_.sent += count;
    progressed(count, options().write_timeout);
  }
  sending_.clear();
}

Awaitable<> Connection::finish() {
  if (refusal_ && !lost_) write_refusal();
  if (!send_now()) co_await send_rest();
  const bool may_have_unread_input = refusal_ || start_ < in_.size();
  if (!lost_ && may_have_unread_input) co_await linger();
}

// Closing a socket with unread input resets the connection, and the reset may overtake the answer: so read on for a
// while before closing.
Awaitable<> Connection::linger() {
  error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  enter(Phase::kLingering, kLingerTimeout);
  in_.clear();
  in_.reserve(kInputBytes);
  std::size_t discarded = 0;
  while (!error && discarded < kLingerBytes) {
    const std::size_t count = co_await socket_.async_read_some(asio::mutable_buffer(in_.data(), in_.capacity()),
                                                               asio::redirect_error(kAwait, error));
    discarded += count;
  }
}

// --- Deadlines ------------------------------------------------------------------------------------------------------

void Connection::enter(Phase phase, microseconds timeout) {
  phase_ = phase;
  progress_ = 0;
  seen_idle_ = false;
  // The thread's clock is up to one sweep old; a deadline must not come early for it.
  deadline_ = timeout == microseconds::max() ? MonotonicTime::max() : thread_.now() + timeout + kSweepInterval;
}

void Connection::progressed(std::size_t bytes, microseconds timeout) {
  progress_ += bytes;
  if (progress_ >= kRenewingBytes) enter(phase_, timeout);
}

void Connection::sweep(MonotonicTime now) {
  error_code ignored;
  if (now >= deadline_) socket_.cancel(ignored);
  if (phase_ != Phase::kIdle) return;
  if (seen_idle_) {
    body_.release();
    unpacked_.release();
  }
  seen_idle_ = true;
}

void Connection::close_if_idle() {
  if (phase_ != Phase::kIdle) return;
  error_code ignored;
  closing_ = true;
  socket_.cancel(ignored);
}

void Connection::abort() {
  error_code ignored;
  aborted_ = lost_ = true;
  socket_.close(ignored);
  if (waiter_) resume();  // May end this object.
}

void Connection::send_answer() {
  if (request_end_ == in_.size()) send_now();
}

void Connection::resume() {
  AnswerWaiter waiter = std::move(*waiter_);
  waiter_.reset();
  std::move(waiter)();
}

// --- Reading a request ----------------------------------------------------------------------------------------------

HeadState Connection::look_for_head() {
  std::string_view unread = in_.view().substr(start_);
  if (!skipped_line_ && unread.starts_with('\r')) {
    if (unread.size() == 1) return HeadState::kIncomplete;
    skipped_line_ = true;
    if (unread[1] == '\n') {
      start_ += 2;
      unread.remove_prefix(2);
    }
  }
  const HeadState state = find_head_end(unread, head_progress_);
  const std::size_t head_size = state == HeadState::kComplete ? head_progress_ : unread.size();
  if (state == HeadState::kMalformed) {
    refuse_with(400, RefusedFor::kMalformed, "the request's head isn't HTTP/1.1: its lines must end in CRLF");
  } else if (head_size > options().max_head_bytes) {
    refuse_with(431, RefusedFor::kHeadSize, "the request's head is too large");
    return HeadState::kMalformed;
  }
  return state;
}

void Connection::prepare_head_read() {
  const bool begun = start_ < in_.size();
  if (!begun) {
    in_.clear();
    start_ = 0;
    if (in_.capacity() > kInputBytes) in_.release();
    in_.reserve(kInputBytes);
  } else if (in_.room_size() == 0) {
    in_.drop_front(start_);
    start_ = 0;
    in_.grow_for(1, options().max_head_bytes + kLeastRoom);
  }
  if (!begun) {
    enter(Phase::kIdle, options().idle_timeout);
  } else if (phase_ != Phase::kHead) {
    enter(Phase::kHead, options().head_timeout);
  }
}

void Connection::head_read_failed(const error_code& error) {
  const bool timed_out = error == asio::error::operation_aborted && !lost_ && !closing_;
  if (timed_out && phase_ == Phase::kHead) {
    refuse_with(408, RefusedFor::kSlowHead, "the request's head came too slowly");
  } else {
    lost_ = true;  // An idle client is left without a word.
  }
}

bool Connection::begin_request() {
  if (in_.capacity() - (start_ + head_progress_) < kLeastRoom) {
    // Before the head is parsed into views: room behind it, for what is read next to lie there.
    in_.drop_front(start_);
    start_ = 0;
    in_.reserve(head_progress_ + kLeastRoom);
  }
  head_end_ = request_end_ = start_ + head_progress_;
  request_number_ = thread_.next_request_number();
  refusal_ = parse_head(in_.view().substr(start_, head_progress_), request_, framing_);
  if (!refusal_ && framing_.content_length > options().max_body_bytes) {
    refuse_with(413, RefusedFor::kBodySize, "the request's body is too large");
  }
  return !refusal_;
}

// Takes what has come behind the head. True if that is the whole body.
bool Connection::take_arrived_body() {
  body_.clear();
  if (framing_.body == BodyFraming::kChunked) {
    body_place_ = BodyPlace::kBody;
    chunks_ = ChunkDecoder(options().max_body_bytes);
    return take_chunks();
  }
  const auto length = static_cast<std::size_t>(framing_.content_length);
  const std::size_t arrived = in_.size() - head_end_;
  if (length <= in_.capacity() - head_end_) {
    body_place_ = BodyPlace::kInput;
    request_end_ = head_end_ + length;
    return arrived >= length;
  }
  body_place_ = BodyPlace::kBody;
  body_.grow_for(std::min(length, kFirstBodyBytes), length);
  body_.append(in_.view().substr(head_end_));
  in_.truncate(head_end_);
  return false;
}

asio::mutable_buffer Connection::body_room() {
  const bool straight = body_place_ == BodyPlace::kBody && framing_.body == BodyFraming::kLength;
  if (!straight) return {in_.room(), in_.room_size()};
  const auto length = static_cast<std::size_t>(framing_.content_length);
  body_.grow_for(1, length);
  return {body_.room(), std::min(body_.room_size(), length - body_.size())};
}

// Takes `bytes` that were read into body_room(). True if the body is whole.
bool Connection::take_body(std::size_t bytes) {
  if (body_place_ == BodyPlace::kBody && framing_.body == BodyFraming::kLength) {
    body_.commit(bytes);
    return body_.size() == framing_.content_length;
  }
  in_.commit(bytes);
  return framing_.body == BodyFraming::kChunked ? take_chunks() : in_.size() >= request_end_;
}

bool Connection::take_chunks() {
  std::size_t used = 0;
  const auto state = chunks_.feed(in_.view().substr(head_end_), body_, used);
  switch (state) {
    case ChunkDecoder::State::kNeedMore:
      in_.truncate(head_end_);
      break;
    case ChunkDecoder::State::kDone:
      request_end_ = head_end_ + used;
      break;
    case ChunkDecoder::State::kMalformed:
      refuse_with(400, RefusedFor::kMalformed, "the body's chunks are malformed");
      break;
    case ChunkDecoder::State::kTooLarge:
      refuse_with(413, RefusedFor::kBodySize, "the request's body is too large");
      break;
  }
  return state != ChunkDecoder::State::kNeedMore;
}

// Unpacks and pads the body. False if it is refused.
bool Connection::finish_body() {
  if (framing_.body == BodyFraming::kNone) {
    request_.body = std::string_view(kNoBody.data(), 0);
    return true;
  }
  const bool in_place = body_place_ == BodyPlace::kInput;
  request_.body = in_place ? in_.view().substr(head_end_, request_end_ - head_end_) : body_.view();
  if (framing_.coding == ContentCoding::kGzip && !request_.body.empty()) {
    switch (thread_.gzip().unpack(request_.body, options().max_body_bytes, unpacked_)) {
      case GzipUnpacker::Outcome::kDone:
        break;
      case GzipUnpacker::Outcome::kMalformed:
        refuse_with(400, RefusedFor::kEncoding, "the body isn't whole gzip, as its Content-Encoding says");
        return false;
      case GzipUnpacker::Outcome::kTooLarge:
        refuse_with(413, RefusedFor::kBodySize, "the request's body is too large once unpacked");
        return false;
    }
    unpacked_.pad();
    request_.body = unpacked_.view();
  } else if (in_place) {
    pad_input_body();
  } else {
    body_.reserve(1);  // An empty chunked body has no memory yet.
    body_.pad();
    request_.body = body_.view();
  }
  return true;
}

// A body in in_ may be followed by the next request at once: what the padding covers is put back in end_request().
void Connection::pad_input_body() {
  covered_size_ = std::min(kBodyPadding, in_.size() - request_end_);
  char* end = in_.data() + request_end_;
  std::memcpy(covered_.data(), end, covered_size_);
  std::memset(end, 0, kBodyPadding);
}

void Connection::end_request() {
  std::memcpy(in_.data() + request_end_, covered_.data(), covered_size_);
  covered_size_ = 0;
  start_ = request_end_;
  head_progress_ = 0;
  skipped_line_ = false;
  answered_ = false;
  request_.method = Method::kGet;
  id_size_ = 0;
  request_number_ = 0;
  if (body_.capacity() > kKeptBodyBytes) body_.release();
  if (unpacked_.capacity() > kKeptBodyBytes) unpacked_.release();
}

// --- Answering ------------------------------------------------------------------------------------------------------

std::string_view Connection::request_id() const noexcept {
  if (id_size_ == 0) {
    const int size =
        std::snprintf(id_.data(), id_.size(), "%016llx-%llx", static_cast<unsigned long long>(thread_.id_prefix()),
                      static_cast<unsigned long long>(request_number_));
    id_size_ = static_cast<std::size_t>(size);
  }
  return {id_.data(), id_size_};
}

ConnectionHeader Connection::connection_header() const noexcept {
  if (close_) return ConnectionHeader::kClose;
  return framing_.http_1_0 ? ConnectionHeader::kKeepAlive : ConnectionHeader::kNone;
}

void Connection::begin_answer(int status) {
  TIDEMARK_ASSERT(thread_.is_this_thread());
  TIDEMARK_ASSERT(!answered_ && phase_ != Phase::kIdle);
  answered_ = true;
  close_ = !framing_.keep_alive || thread_.stopping();
  thread_.server().metrics.count_request(status);
}

void Connection::end_answer() {
  if (waiter_) thread_.resume_later(*this);
}

void Connection::answer(Response response) {
  begin_answer(response.status);
  const bool bodiless = is_bodiless(response.status);
  if (bodiless) response.body.clear();
  if (response.content_type == kProblemContentType) {
    logging::debug("request answered with a problem",
                   {{"status", response.status},
                    {"problem", std::string_view(response.body).substr(0, kLoggedProblemBytes)},
                    {"request_id", request_id()},
                    {"remote_address", remote_address_}});
    add_request_id(response.body, request_id());
  }
  const bool tells_id = !response.body.empty() || response.status >= 400;
  append_head(out_.head, response, response.body.size(), tells_id ? request_id() : std::string_view(),
              connection_header(), thread_.date());
  if (request_.method != Method::kHead) {
    if (response.body.size() <= kCopiedBodyBytes) {
      out_.head += response.body;
    } else {
      out_.tail = std::move(response.body);
    }
  }
  end_answer();
}

void Connection::answer_preformatted(int status, bool json_object) {
  begin_answer(status);
  append_preformatted(out_.head, status, json_object, request_.method == Method::kHead, connection_header(),
                      thread_.date());
  end_answer();
}

void Connection::refuse_with(int status, RefusedFor reason, std::string_view detail) {
  refusal_ = Refusal{status, reason, detail};
}

void Connection::write_refusal() {
  if (request_number_ == 0) request_number_ = thread_.next_request_number();
  Response response = make_problem(refusal_->status, "about:blank", refusal_->detail, {}, kRetryAfterSeconds);
  add_request_id(response.body, request_id());
  close_ = true;
  append_head(out_.head, response, response.body.size(), request_id(), connection_header(), thread_.date());
  if (request_.method != Method::kHead) out_.head += response.body;
  thread_.server().metrics.count_request(refusal_->status);
  thread_.server().metrics.count_refused(refusal_->reason);
  logging::debug("request refused", {{"status", refusal_->status},
                                     {"detail", refusal_->detail},
                                     {"request_id", request_id()},
                                     {"remote_address", remote_address_}});
}

// Writes what the socket takes at once. True if nothing is left to be written, or nobody to write to.
bool Connection::send_now() {
  error_code error;
  while (!lost_ && !out_.done()) {
    const auto rest = out_.rest();
    // One buffer goes by send(), which is cheaper than sendmsg() and all that most answers need.
    out_.sent += out_.tail.empty() ? socket_.write_some(rest[0], error) : socket_.write_some(rest, error);
    if (error == asio::error::would_block) return false;
    if (error) lost_ = true;
  }
  out_.clear();
  return true;
}

}  // namespace tidemark::net
