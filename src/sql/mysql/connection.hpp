#pragma once

#include <mysql.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dialect.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"
#include "url.hpp"

namespace tidemark::sql::mysql {

/// The outcome of one statement, with its rows if it has any.
class Answer {
 public:
  Answer(MYSQL_RES* rows, std::int64_t affected) : rows_(rows), affected_(affected) {}

  std::int64_t affected_rows() const noexcept { return affected_; }
  unsigned columns() const noexcept { return rows_ == nullptr ? 0 : mysql_num_fields(rows_.get()); }
  /// Goes on to the next row; false after the last.
  bool next();
  /// The column's text in the current row; nothing for NULL.
  std::optional<std::string_view> text(unsigned column) const;

 private:
  struct Free {
    void operator()(MYSQL_RES* rows) const noexcept { mysql_free_result(rows); }
  };
  std::unique_ptr<MYSQL_RES, Free> rows_;
  std::int64_t affected_;
  MYSQL_ROW row_ = nullptr;
  const unsigned long* lengths_ = nullptr;
};

/// The client library with its errors translated. A call ends within the time-out; then the connection is broken for
/// good.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const Url& url, const std::optional<std::string>& password,
                                                  microseconds connect_timeout, microseconds call_timeout);

  /// Tells the server's max_allowed_packet. From then on a longer statement is rejected and not sent: the server would
  /// answer by closing the connection, and whether its reason is read before that is chance.
  void limit_packets(std::size_t bytes) noexcept { max_packet_bytes_ = bytes; }

  /// Runs one statement and takes in all of its rows.
  Result<Answer> run(std::string_view statement);

  /// False once the connection is lost or a time-out has passed.
  bool is_usable() const noexcept { return !broken_; }
  Flavor flavor() const noexcept;
  /// As 101119 for 10.11.19.
  unsigned long server_version() const noexcept { return mysql_get_server_version(handle_.get()); }

 private:
  struct Close {
    void operator()(MYSQL* handle) const noexcept { mysql_close(handle); }
  };
  using Handle = std::unique_ptr<MYSQL, Close>;

  Connection(Handle handle, seconds call_timeout) : handle_(std::move(handle)), call_timeout_(call_timeout) {}
  Error failed(MonotonicTime began);

  const Handle handle_;
  const seconds call_timeout_;
  std::size_t max_packet_bytes_ = std::numeric_limits<std::size_t>::max();
  bool broken_ = false;
};

}  // namespace tidemark::sql::mysql
