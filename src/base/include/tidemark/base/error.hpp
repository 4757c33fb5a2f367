#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace tidemark {

/// What went wrong, as a closed set. Each value has one HTTP status, one gRPC code, one retry answer and one metric
/// label; error.cpp holds the table.
enum class Errc : std::uint8_t {
  kInvalidArgument,  ///< The caller's input is wrong; the message names the field and the remedy.
  kUnauthenticated,  ///< No token, or one that isn't known.
  kForbidden,        ///< The token doesn't grant this.
  kNotFound,         ///< What was named doesn't exist, and its absence is an error here.
  kConflict,         ///< Same identity, other content; or a compare-and-set that lost.
  kTooLarge,         ///< Past a limit that the message names.
  kUnsupported,      ///< A content type or version that isn't spoken here.
  kRateLimited,      ///< Over the caller's rate limit.
  kUnavailable,      ///< Not now: closed, shutting down, backlog or disk full, server can't be reached.
  kTimeout,          ///< A deadline passed; whether the effect took place may be unknown.
  kConnectionLost,   ///< The peer went away; whether the effect took place may be unknown.
  kContention,       ///< Deadlock, lock time-out or serialisation failure; the whole transaction is to be run again.
  kDataRejected,     ///< The database refuses a value (data exception): the row is at fault, not the connection.
  kOverflow,         ///< A sum would leave its range.
  kReadOnly,         ///< The store accepts no writes now.
  kDiskFull,         ///< No space left.
  kIo,               ///< The file system failed.
  kCorrupt,          ///< Stored bytes fail their checksum or break their format.
  kLocked,           ///< Another process holds it.
  kRefused,          ///< Going on would lose or double data; the message names the remedy.
  kCancelled,        ///< Stopped on request.
  kInternal,         ///< None of the above; a defect or an unknown foreign error.
};

/// Whether doing the same again can help.
enum class Retry : std::uint8_t { kNever, kLater };

/// The fixed answers of one Errc.
struct ErrcTraits {
  int http_status;
  int grpc_code;
  Retry retry;
  std::string_view label;  ///< Metric label and log value, snake_case.
};

/// Returns the fixed answers for `code`.
const ErrcTraits& traits(Errc code) noexcept;

/// An error: its code and a message for people, static text first, values last, never a secret.
class Error {
 public:
  Error(Errc code, std::string message) : code_(code), message_(std::move(message)) {}

  Errc code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }

  /// Returns the same error with "`context`: " before its message. Added once per module on the way up.
  Error with_context(std::string_view context) const;

 private:
  Errc code_;
  std::string message_;
};

/// A value, or the error that kept it from being made.
template <class T>
using Result = tl::expected<T, Error>;

/// Makes the error branch of a Result.
inline tl::unexpected<Error> fail(Errc code, std::string message) {
  return tl::unexpected<Error>(Error(code, std::move(message)));
}

/// Passes an error on.
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace tidemark

#define TIDEMARK_CONCAT_(a, b) a##b
#define TIDEMARK_CONCAT(a, b) TIDEMARK_CONCAT_(a, b)

/// Returns the error of a Result<void> expression from the enclosing function.
#define TIDEMARK_TRY(expression)                                   \
  do {                                                             \
    if (auto tidemark_result = (expression); !tidemark_result) {   \
      return ::tidemark::fail(std::move(tidemark_result).error()); \
    }                                                              \
  } while (false)

/// TIDEMARK_TRY_ASSIGN(auto x, f()): declares x with the value of f(), or returns its error.
#define TIDEMARK_TRY_ASSIGN(declaration, expression)                                         \
  auto TIDEMARK_CONCAT(tidemark_result_, __LINE__) = (expression);                           \
  if (!TIDEMARK_CONCAT(tidemark_result_, __LINE__)) {                                        \
    return ::tidemark::fail(std::move(TIDEMARK_CONCAT(tidemark_result_, __LINE__)).error()); \
  }                                                                                          \
  declaration = std::move(*TIDEMARK_CONCAT(tidemark_result_, __LINE__))
