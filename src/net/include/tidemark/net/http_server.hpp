#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidemark/base/clock.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::net {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kOptions, kOther };

/// Bytes that may be read past its end: simdjson needs 64 readable bytes after a text.
inline constexpr std::size_t kBodyPadding = 64;

/// One request as a handler sees it. Everything it views belongs to the connection and stays valid until the exchange
/// is answered. The body is unpacked (gzip) already and followed by kBodyPadding zero bytes.
struct Request {
  Method method = Method::kGet;
  std::string_view path;   ///< Percent-decoding is left to the route.
  std::string_view query;  ///< After the `?`, raw.
  std::string_view body;
  std::string_view remote_address;                                     ///< Without the port.
  std::vector<std::pair<std::string_view, std::string_view>> headers;  ///< As sent; names compare without case.
  /// The header's value, empty when absent; the first when repeated.
  std::string_view header(std::string_view name) const noexcept;
  /// The query parameter's value, `%XX` and `+` (a space) decoded, the first when repeated; false when absent.
  bool query_parameter(std::string_view name, std::string& value) const;
};

/// A response. Date, Server, Content-Length and Connection are added by the server; X-Request-Id too where there is a
/// body or the status is 400 or above.
struct Response {
  int status = 200;
  std::string_view content_type;  ///< Static text; empty for none.
  std::string body;
  std::vector<std::pair<std::string_view, std::string>> headers;
};

/// One field of a problem that the caller can mend.
struct ProblemField {
  std::size_t index = 0;
  std::string field;
  std::string detail;
};

/// Makes an application/problem+json response (RFC 9457) from an error: its status from the table of errors, type
/// `urn:tidemark:error:<label>`; 503 and 429 carry Retry-After. The message of a 500 is for the log and isn't shown.
/// Exchange::answer() adds the member `request_id`.
Response problem(const Error& error, std::span<const ProblemField> fields = {}, int retry_after_seconds = 1);

/// Makes a problem of a status that no Errc stands for, such as 405. `label` ends its type, snake_case.
Response problem(int status, std::string_view label, std::string_view detail);

/// One request being answered. A handler answers it at once, on the thread that called it, or keeps the reference and
/// has it answered later on the same io thread through HttpServer::post(). Exactly one answer. *Lifetime*: until
/// answered; if the client goes away meanwhile the answer is dropped. A stop() that reaches its deadline ends the
/// exchange unanswered: touch it only in what post() runs, which then never does.
class Exchange {
 public:
  virtual const Request& request() const noexcept = 0;
  virtual void answer(Response response) = 0;
  /// The fast path: an answer without further headers (no X-Request-Id either), preformatted; its body is the JSON
  /// object `{}` for `json_object`, else there is none.
  virtual void answer_preformatted(int status, bool json_object) = 0;
  /// The io thread that owns this exchange: 0 .. io_threads-1.
  virtual std::size_t io_thread() const noexcept = 0;
  /// Unique per request: a random prefix per io thread and a counter. Made when first asked for.
  virtual std::string_view request_id() const noexcept = 0;

 protected:
  ~Exchange() = default;
};

/// What a server calls with each request, on an io thread; must not block and not throw.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void handle(Exchange& exchange) = 0;
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0 picks a free one.
  std::size_t io_threads = 1;
  std::size_t max_head_bytes = 16u << 10;
  std::size_t max_body_bytes = 8u << 20;  ///< After unpacking too.
  std::size_t max_connections = 10'000;
  microseconds head_timeout = seconds(10);  ///< From the first byte of a head to its end.
  microseconds body_timeout = seconds(30);  ///< For the whole body; renewed by progress of 64 KiB.
  microseconds idle_timeout = seconds(75);  ///< Between requests on a kept connection.
  microseconds write_timeout = seconds(30);
};

/// An HTTP/1.1 server: Asio coroutines, one io_context a thread, Beast for heads only. Speaks HTTP/1.0 too, keeps
/// connections, takes pipelined requests (answered in order, one at a time), chunked and gzip bodies and
/// `Expect: 100-continue`. *Concurrency*: handlers run on the connection's io thread. *Limits*: past one, the client
/// gets 408, 413, 431 or 503 and the connection is closed; what isn't strict HTTP gets 400, another Content-Encoding
/// 415. Deadlines are kept to within half a second.
class HttpServer {
 public:
  HttpServer(HttpServerOptions options, Handler& handler, Metrics& metrics);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Binds and starts the threads; called once. Raises the process' limit of open files where max_connections needs
  /// it. Errors: kUnavailable names the address in use and the remedy; kInvalidArgument for a host that isn't known.
  Result<void> start();
  /// The port that is listened on; 0 before start().
  std::uint16_t port() const noexcept;
  /// Runs `task` on io thread `io_thread`. From any thread. After stop() it is dropped. Answers posted together wake
  /// the thread once.
  void post(std::size_t io_thread, std::function<void()> task);
  /// Stops accepting, closes idle connections, lets requests under way (a begun head counts) be answered with
  /// `Connection: close`, closes what is left `deadline` from now, and joins the threads. Not from an io thread.
  void stop(microseconds deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::net
