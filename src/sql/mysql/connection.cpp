#include "connection.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "server_error.hpp"

namespace tidemark::sql::mysql {
namespace {

/// The library counts in whole seconds.
seconds whole_seconds(microseconds duration) {
  return std::max(seconds(1), std::chrono::ceil<seconds>(duration));
}

MonotonicTime now() {
  return std::chrono::time_point_cast<microseconds>(std::chrono::steady_clock::now());
}

void set(MYSQL* handle, mysql_option option, seconds duration) {
  const auto value = static_cast<unsigned>(duration.count());
  mysql_options(handle, option, &value);
}

void set(MYSQL* handle, mysql_option option, bool on) {
  const my_bool value = on ? 1 : 0;
  mysql_options(handle, option, &value);
}

const char* or_null(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

void set_tls(MYSQL* handle, const Url& url) {
  if (url.tls == TlsMode::kDisabled) return;
  mysql_ssl_set(handle, or_null(url.key), or_null(url.certificate), or_null(url.ca), or_null(url.ca_directory),
                nullptr);
  set(handle, MYSQL_OPT_SSL_ENFORCE, url.tls != TlsMode::kPreferred);
  set(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, url.tls == TlsMode::kVerifyIdentity);
}

void set_options(MYSQL* handle, const Url& url, seconds connect_timeout, seconds call_timeout) {
  set(handle, MYSQL_OPT_CONNECT_TIMEOUT, connect_timeout);
  set(handle, MYSQL_OPT_READ_TIMEOUT, call_timeout);
  set(handle, MYSQL_OPT_WRITE_TIMEOUT, call_timeout);
  set(handle, MYSQL_OPT_RECONNECT, false);
  set(handle, MYSQL_REPORT_DATA_TRUNCATION, true);
  const unsigned no_local_files = 0;  // A server must not be able to ask for files of ours.
  mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &no_local_files);
  const unsigned protocol = url.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
  mysql_options(handle, MYSQL_OPT_PROTOCOL, &protocol);
  mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  set_tls(handle, url);
}

}  // namespace

bool Answer::next() {
  row_ = rows_ == nullptr ? nullptr : mysql_fetch_row(rows_.get());
  lengths_ = row_ == nullptr ? nullptr : mysql_fetch_lengths(rows_.get());
  return row_ != nullptr;
}

std::optional<std::string_view> Answer::text(unsigned column) const {
  if (row_[column] == nullptr) return std::nullopt;
  return std::string_view(row_[column], lengths_[column]);
}

Result<std::unique_ptr<Connection>> Connection::open(const Url& url, const std::optional<std::string>& password,
                                                     microseconds connect_timeout, microseconds call_timeout) {
  static std::once_flag library_ready;
  std::call_once(library_ready, [] { mysql_library_init(0, nullptr, nullptr); });
  Handle handle(mysql_init(nullptr));
  if (handle == nullptr) return fail(Errc::kUnavailable, "cannot connect to MySQL: out of memory");
  const seconds connect_seconds = whole_seconds(connect_timeout);
  const seconds call_seconds = whole_seconds(call_timeout);
  set_options(handle.get(), url, connect_seconds, call_seconds);
  const MonotonicTime began = now();
  // CLIENT_FOUND_ROWS: an UPDATE answers the rows that it matched.
  if (mysql_real_connect(handle.get(), url.host.c_str(), url.user.c_str(), password ? password->c_str() : nullptr,
                         or_null(url.database), url.port, or_null(url.socket), CLIENT_FOUND_ROWS) == nullptr) {
    const Error error = refused_connection(mysql_errno(handle.get()), mysql_error(handle.get()));
    const bool late = error.code() == Errc::kUnavailable && now() - began >= connect_seconds;
    return fail(late ? Error(Errc::kTimeout, error.message()) : error);
  }
  return std::unique_ptr<Connection>(new Connection(std::move(handle), call_seconds));
}

Flavor Connection::flavor() const noexcept {
  return mariadb_connection(handle_.get()) != 0 ? Flavor::kMariadb : Flavor::kMysql;
}

Error Connection::failed(MonotonicTime began) {
  Error error = refused_statement(mysql_errno(handle_.get()), mysql_error(handle_.get()));
  if (error.code() != Errc::kConnectionLost) return error;
  broken_ = true;
  // The library reports a time-out of the network as a lost connection.
  if (now() - began < call_timeout_) return error;
  return {Errc::kTimeout, "no answer from MySQL within the time-out"};
}

Result<Answer> Connection::run(std::string_view statement) {
  if (broken_) return fail(Errc::kConnectionLost, "the connection to MySQL was lost");
  if (statement.size() >= max_packet_bytes_ - 1) {  // The command's byte goes with it.
    return fail(Errc::kDataRejected, "a row is too long for one packet; raise max_allowed_packet: statement of " +
                                         std::to_string(statement.size()) + " bytes, limit " +
                                         std::to_string(max_packet_bytes_));
  }
  const MonotonicTime began = now();
  if (mysql_real_query(handle_.get(), statement.data(), statement.size()) != 0) return fail(failed(began));
  MYSQL_RES* rows = mysql_store_result(handle_.get());
  if (rows == nullptr && mysql_errno(handle_.get()) != 0) return fail(failed(began));
  return Answer(rows, static_cast<std::int64_t>(mysql_affected_rows(handle_.get())));
}

}  // namespace tidemark::sql::mysql
