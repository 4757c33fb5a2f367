#include "http_load.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <deque>
#include <vector>

#include "tidemark/base/ascii.hpp"

namespace tidemark::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kAnswerBytesMax = 64u << 10;
constexpr std::size_t kEventsAtOnce = 256;
constexpr seconds kAnswerTimeout{30};   ///< For the last answers.
constexpr seconds kBacklogTimeout{30};  ///< For sending what was due before the end.

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

double thread_cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return of(used.ru_utime) + of(used.ru_stime);
}

class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int get() const noexcept { return descriptor_; }

 private:
  int descriptor_ = -1;
};

struct Connection {
  Socket socket;
  EventRequest request;
  std::size_t sent = 0;
  bool busy = false;
  bool waits_for_room = false;  ///< The socket took only part of the request.
  Clock::time_point due;
  std::string answer;
};

/// The answer's status once it is whole, else 0; negative when it isn't HTTP.
int whole_status(std::string_view answer) {
  const auto end = answer.find("\r\n\r\n");
  if (end == std::string_view::npos) return answer.size() > kAnswerBytesMax ? -1 : 0;
  int status = 0;
  if (answer.size() < 12 || std::from_chars(answer.data() + 9, answer.data() + 12, status).ec != std::errc()) return -1;
  std::size_t body = 0;
  std::string_view head = answer.substr(0, end);
  constexpr std::string_view kLength = "content-length:";
  while (!head.empty()) {
    const auto line_end = head.find("\r\n");
    const std::string_view line = head.substr(0, line_end);
    if (same_ignoring_case(line.substr(0, kLength.size()), kLength)) {
      const std::string_view value = stripped(line.substr(kLength.size()));
      std::from_chars(value.data(), value.data() + value.size(), body);
    }
    head = line_end == std::string_view::npos ? std::string_view() : head.substr(line_end + 2);
  }
  return answer.size() >= end + 4 + body ? status : 0;
}

class Load {
 public:
  Load(const LoadOptions& options, EventStream& stream) : options_(options), stream_(stream) {}
  Result<LoadResult> run();

 private:
  Result<void> connect_all();
  Result<void> send_due(Clock::time_point now);
  Result<void> begin(Connection& connection, Clock::time_point due);
  Result<void> send_more(Connection& connection);
  Result<void> receive(Connection& connection);
  void answered(Connection& connection, int status);
  void pass_marks(Clock::time_point now);
  void give_up_unsent(Clock::time_point now);
  void count_latency(Clock::time_point due, Clock::time_point now);
  bool still_due() const { return options_.rate > 0 && due_at(scheduled_) < measure_to_; }
  Result<void> wait_and_handle(Clock::time_point now);
  Clock::time_point due_at(std::uint64_t number) const {
    return began_ +
           std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(number) * 1e9 / options_.rate));
  }

  const LoadOptions& options_;
  EventStream& stream_;
  Socket poll_;
  std::vector<Connection> connections_;
  std::deque<Connection*> idle_;  // The longest idle first: at low rates none is idle until the server closes it.
  std::uint64_t scheduled_ = 0;
  std::uint64_t begun_events_ = 0;  // In the measured time.
  Clock::time_point began_;
  Clock::time_point measure_from_;
  Clock::time_point measure_to_;
  bool measuring_ = false;
  std::optional<ProcessUsage> usage_before_;
  double cpu_before_ = 0;
  HostTimes host_before_;
  LoadResult result_;
};

Result<void> Load::connect_all() {
  poll_ = Socket(epoll_create1(EPOLL_CLOEXEC));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1) {
    return fail(Errc::kInvalidArgument, "the server must be named by its IPv4 address: " + options_.host);
  }
  connections_.resize(options_.connections);
  for (Connection& connection : connections_) {
    connection.socket = Socket(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(connection.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return fail(Errc::kUnavailable, std::string("the server can't be reached: ") + std::strerror(errno));
    }
    const int on = 1;
    setsockopt(connection.socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(connection.socket.get(), F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(poll_.get(), EPOLL_CTL_ADD, connection.socket.get(), &event);
    connection.request = stream_.make_request();
    idle_.push_back(&connection);
  }
  return {};
}

Result<LoadResult> Load::run() {
  TIDEMARK_TRY(connect_all());
  began_ = Clock::now();
  measure_from_ = began_ + options_.warm_up;
  measure_to_ = measure_from_ + options_.measured;
  for (;;) {
    const auto now = Clock::now();
    pass_marks(now);
    if (now < measure_to_ || (still_due() && now < measure_to_ + kBacklogTimeout)) {
      TIDEMARK_TRY(send_due(now));
    } else if (idle_.size() == connections_.size()) {
      break;
    } else if (now > measure_to_ + kBacklogTimeout + kAnswerTimeout) {
      return fail(Errc::kTimeout, "the server doesn't answer");
    }
    TIDEMARK_TRY(wait_and_handle(now));
  }
  give_up_unsent(Clock::now());
  result_.whole_seconds = seconds_between(began_, Clock::now());
  return std::move(result_);
}

/// Counts requests that were due and never sent with the time that they have waited by now.
void Load::give_up_unsent(Clock::time_point now) {
  for (; still_due(); ++scheduled_) {
    ++result_.unsent;
    count_latency(due_at(scheduled_), now);
  }
}

void Load::count_latency(Clock::time_point due, Clock::time_point now) {
  if (due < measure_from_ || due >= measure_to_) return;
  const auto waited = std::chrono::duration_cast<microseconds>(now - due).count();
  result_.latency.add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, waited)));
}

/// Notes what was used when the measured time begins and ends.
void Load::pass_marks(Clock::time_point now) {
  if (!measuring_ && now >= measure_from_ && now < measure_to_) {
    measuring_ = true;
    measure_from_ = now;
    usage_before_ = usage_of(options_.server_pid);
    cpu_before_ = thread_cpu_seconds();
    host_before_ = host_times();
  } else if (measuring_ && now >= measure_to_) {
    measuring_ = false;
    result_.measured_seconds = seconds_between(measure_from_, now);
    result_.generator_cpu_seconds = thread_cpu_seconds() - cpu_before_;
    result_.host_steal_share = steal_share(host_before_, host_times());
    const auto after = usage_of(options_.server_pid);
    if (!usage_before_ || !after) return;
    result_.used = ProcessUsage{after->cpu_seconds - usage_before_->cpu_seconds,
                                after->written_bytes - usage_before_->written_bytes,
                                after->disk_bytes - usage_before_->disk_bytes};
  }
}

Result<void> Load::send_due(Clock::time_point now) {
  while (!idle_.empty()) {
    auto due = now;
    if (options_.rate > 0) {
      due = due_at(scheduled_);
      if (due > now || due >= measure_to_) break;
      ++scheduled_;
    }
    Connection& connection = *idle_.front();
    idle_.pop_front();
    TIDEMARK_TRY(begin(connection, due));
    if (!measuring_ || options_.events_max == 0) continue;
    begun_events_ += connection.request.event_at.size();
    if (begun_events_ >= options_.events_max) {
      measure_to_ = now;
      break;
    }
  }
  return {};
}

Result<void> Load::begin(Connection& connection, Clock::time_point due) {
  stream_.fill(connection.request);
  connection.sent = 0;
  connection.busy = true;
  connection.due = due;
  connection.answer.clear();
  return send_more(connection);
}

Result<void> Load::send_more(Connection& connection) {
  const std::string& bytes = connection.request.bytes;
  while (connection.sent < bytes.size()) {
    const ssize_t count =
        send(connection.socket.get(), bytes.data() + connection.sent, bytes.size() - connection.sent, MSG_NOSIGNAL);
    if (count >= 0) {
      connection.sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      break;
    } else {
      return fail(Errc::kConnectionLost, std::string("the server closed a connection: ") + std::strerror(errno));
    }
  }
  const bool waits = connection.sent < bytes.size();
  if (waits != connection.waits_for_room) {
    epoll_event event{};
    event.events = static_cast<std::uint32_t>(waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
    event.data.ptr = &connection;
    epoll_ctl(poll_.get(), EPOLL_CTL_MOD, connection.socket.get(), &event);
    connection.waits_for_room = waits;
  }
  return {};
}

Result<void> Load::receive(Connection& connection) {
  char buffer[4096];
  const ssize_t count = recv(connection.socket.get(), buffer, sizeof(buffer), 0);
  if (count < 0 && errno == EAGAIN) return {};
  if (count <= 0) return fail(Errc::kConnectionLost, "the server closed a connection");
  connection.answer.append(buffer, static_cast<std::size_t>(count));
  const int status = whole_status(connection.answer);
  if (status < 0) return fail(Errc::kConnectionLost, "the server's answer isn't HTTP");
  if (status > 0) answered(connection, status);
  return {};
}

void Load::answered(Connection& connection, int status) {
  const auto now = Clock::now();
  connection.busy = false;
  idle_.push_back(&connection);
  if (status < 200 || status > 299) {
    if (result_.failed++ == 0) result_.first_failure = connection.answer;
    return;
  }
  result_.acknowledged += connection.request.fresh;
  count_latency(connection.due, now);
  if (!measuring_ || now > measure_to_) return;
  ++result_.requests;
  result_.sent_events += connection.request.event_at.size();
}

Result<void> Load::wait_and_handle(Clock::time_point now) {
  auto until = measure_to_ > now ? measure_to_ : now + std::chrono::milliseconds(100);
  if (!measuring_ && measure_from_ > now) until = std::min(until, measure_from_);
  if (options_.rate > 0 && !idle_.empty()) until = std::min(until, std::max(now, due_at(scheduled_)));
  const auto wait = std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(until - now));
  const timespec timeout{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
  epoll_event events[kEventsAtOnce];
  const int count = epoll_pwait2(poll_.get(), events, kEventsAtOnce, &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    auto& connection = *static_cast<Connection*>(events[i].data.ptr);
    if ((events[i].events & EPOLLOUT) != 0) TIDEMARK_TRY(send_more(connection));
    if ((events[i].events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) TIDEMARK_TRY(receive(connection));
  }
  return {};
}

}  // namespace

Result<LoadResult> run_load(const LoadOptions& options, EventStream& stream) {
  return Load(options, stream).run();
}

}  // namespace tidemark::bench
