#include "tidemark/client/event_sender.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <thread>
#include <utility>

namespace tidemark::client {
namespace {

constexpr std::size_t kRefusedMax = 100;
constexpr std::size_t kAnswerMaxBytes = 64u << 20;
constexpr std::size_t kReadBytes = 64u << 10;
constexpr milliseconds kFirstWait{200};
constexpr seconds kLongestWait{10};
constexpr curl_off_t kRetryAfterMaxSeconds =
    24 * 60 * 60;  // Longer than anybody waits; keeps the sum from overflowing.

struct Answer {
  long status = 0;
  std::string body;
  microseconds retry_after{};
};

struct CurlDelete {
  void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

std::unique_ptr<CURL, CurlDelete> new_handle() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);  // Once, before threads could do it twice.
  std::unique_ptr<CURL, CurlDelete> handle(ready == CURLE_OK ? curl_easy_init() : nullptr);
  if (!handle) throw std::bad_alloc();
  return handle;
}

std::size_t take_body(char* data, std::size_t, std::size_t size, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size > kAnswerMaxBytes) return 0;
  body.append(data, size);
  return size;
}

Error error_of(CURLcode code, const std::string& server) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Error(Errc::kInvalidArgument, "the server's URL can't be read; it looks like http://HOST:PORT: " + server);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return Error(Errc::kInvalidArgument, "the server's certificate isn't trusted here: " + server);
    case CURLE_WRITE_ERROR:
      return Error(Errc::kInternal, "the answer is too large; is this a tidemark server? " + server);
    default:
      return Error(Errc::kConnectionLost,
                   "the server can't be reached (" + std::string(curl_easy_strerror(code)) + "): " + server);
  }
}

/// What a problem+json answer says, or its status.
std::string reason_of(const Answer& answer) {
  const auto problem = nlohmann::json::parse(answer.body, nullptr, false);
  if (problem.is_object() && problem.contains("detail") && problem["detail"].is_string()) {
    return problem["detail"].get<std::string>();
  }
  return "the server answered " + std::to_string(answer.status);
}

Error error_of(const Answer& answer) {
  const std::string reason = reason_of(answer);
  switch (answer.status) {
    case 401:
      return Error(Errc::kUnauthenticated, reason);
    case 403:
      return Error(Errc::kForbidden, reason);
    case 404:
      return Error(Errc::kNotFound, reason + "; is this a tidemark server?");
    case 413:
      return Error(Errc::kTooLarge, reason);
    case 429:
      return Error(Errc::kRateLimited, reason);
    case 408:
    case 502:
    case 503:
    case 504:
      return Error(Errc::kUnavailable, reason);
    default:
      return Error(answer.status >= 500 ? Errc::kInternal : Errc::kInvalidArgument, reason);
  }
}

/// True if sending the same batch again can help.
bool is_passing(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kRateLimited || code == Errc::kConnectionLost;
}

std::string text_of(const nlohmann::json& item, const char* name) {
  const auto found = item.find(name);
  return found != item.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The counter of a verdict's name; null for one that we don't know.
std::uint64_t* count_of(VerdictCounts& counts, std::string_view verdict) {
  if (verdict == "new") return &counts.fresh;
  if (verdict == "duplicate") return &counts.duplicate;
  if (verdict == "conflict") return &counts.conflict;
  if (verdict == "too_late") return &counts.too_late;
  if (verdict == "invalid") return &counts.invalid;
  return nullptr;
}

/// The verdicts of an answer, if it has one that we know for each of `events` events.
std::optional<nlohmann::json> verdicts_of(const Answer& answer, std::size_t events) {
  auto json = nlohmann::json::parse(answer.body, nullptr, false);
  if (!json.is_object() || !json.contains("verdicts")) return std::nullopt;
  nlohmann::json verdicts = std::move(json["verdicts"]);
  if (!verdicts.is_array() || verdicts.size() != events) return std::nullopt;
  VerdictCounts ignored;
  for (const auto& item : verdicts) {
    if (!item.is_object() || count_of(ignored, text_of(item, "verdict")) == nullptr) return std::nullopt;
  }
  return verdicts;
}

}  // namespace

struct EventSender::Impl {
  explicit Impl(EventSenderOptions o);

  Result<void> check_token() const;
  Result<Answer> post();
  Result<void> send_batch();
  Result<void> send();
  Result<void> book(const Answer& answer);
  Result<void> add(std::string_view event);
  Result<void> take(std::string_view bytes);
  Result<void> end_partial();
  void refuse_line(std::string detail);
  void refuse(RefusedEvent event) {
    if (refused.size() < kRefusedMax) refused.push_back(std::move(event));
  }

  const EventSenderOptions options;
  std::string url;
  std::unique_ptr<CURL, CurlDelete> curl = new_handle();
  std::unique_ptr<curl_slist, CurlDelete> headers;

  std::string batch;
  std::vector<std::uint64_t> lines;  // Of the events in the batch.
  std::uint64_t line = 0;
  std::string partial;            // The line that send_all() hasn't seen the end of.
  bool partial_too_long = false;  // Its bytes aren't kept any more.
  std::optional<Error> ended_by;
  VerdictCounts counts;
  std::vector<RefusedEvent> refused;
  std::minstd_rand jitter{std::random_device{}()};
  const std::function<void(const VerdictCounts&)>* on_progress = nullptr;
  const std::function<void(const Error&, microseconds)>* on_retry = nullptr;
};

EventSender::Impl::Impl(EventSenderOptions o) : options(std::move(o)) {
  url = options.server;
  while (url.ends_with('/')) url.pop_back();
  url += "/api/v1/events?verdicts=true";
  const auto add_header = [this](const std::string& header) {
    curl_slist* longer = curl_slist_append(headers.get(), header.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(headers.release());
    headers.reset(longer);
  };
  add_header("Content-Type: application/x-ndjson");
  add_header("Expect:");  // A round trip a batch, to learn what the answer tells as well.
  if (!options.token.empty()) add_header("Authorization: Bearer " + options.token);
}

EventSender::EventSender(EventSenderOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {
  impl_->on_progress = &on_progress;
  impl_->on_retry = &on_retry;
}
EventSender::~EventSender() = default;

const VerdictCounts& EventSender::counts() const noexcept {
  return impl_->counts;
}
const std::vector<RefusedEvent>& EventSender::refused() const noexcept {
  return impl_->refused;
}

Result<void> EventSender::add(std::string_view line) {
  return impl_->add(line);
}

Result<void> EventSender::finish() {
  return impl_->send();
}

Result<void> EventSender::send_all(const ReadBytes& read) {
  std::vector<char> room(kReadBytes);
  for (;;) {
    TIDEMARK_TRY_ASSIGN(const std::size_t count, read(room));
    if (count == 0) break;
    TIDEMARK_TRY(impl_->take(std::string_view(room.data(), count)));
  }
  if (!impl_->partial.empty() || impl_->partial_too_long) TIDEMARK_TRY(impl_->end_partial());
  return impl_->send();
}

Result<void> EventSender::Impl::take(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    const bool ends_here = end != std::string_view::npos;
    bytes.remove_prefix(ends_here ? end + 1 : bytes.size());
    if (ends_here && partial.empty() && !partial_too_long) {
      TIDEMARK_TRY(add(piece));
      continue;
    }
    const std::size_t with_return = options.line_bytes_max + 1;
    if (partial_too_long || partial.size() + piece.size() > with_return) {
      partial_too_long = true;
      partial.clear();
    } else {
      partial.append(piece);
    }
    if (ends_here) TIDEMARK_TRY(end_partial());
  }
  return {};
}

Result<void> EventSender::Impl::end_partial() {
  if (std::exchange(partial_too_long, false)) {
    ++line;
    refuse_line("the line is longer than the limit of bytes: " + std::to_string(options.line_bytes_max));
    return {};
  }
  const std::string whole = std::exchange(partial, {});
  return add(whole);
}

void EventSender::Impl::refuse_line(std::string detail) {
  ++counts.invalid;
  refuse({line, "invalid", "", std::move(detail)});
}

Result<void> EventSender::Impl::add(std::string_view event) {
  if (ended_by) return fail(*ended_by);
  ++line;
  if (event.ends_with('\r')) event.remove_suffix(1);
  if (event.size() > options.line_bytes_max) {
    refuse_line("the line is longer than the limit of bytes: " + std::to_string(options.line_bytes_max));
    return {};
  }
  if (event.find_first_not_of(" \t") == std::string_view::npos) return {};
  if (event.find('\n') != std::string_view::npos) {
    refuse_line("an event must stand on one line");  // It would shift the verdicts of all others.
    return {};
  }
  if (!batch.empty() && batch.size() + event.size() + 1 > options.batch_bytes) TIDEMARK_TRY(send());
  batch.append(event).push_back('\n');
  lines.push_back(line);
  return lines.size() >= options.batch_events ? send() : Result<void>();
}

// Whatever a token is made of, it doesn't end a header's line.
Result<void> EventSender::Impl::check_token() const {
  const bool visible = std::ranges::all_of(options.token, [](char c) { return c > ' ' && c < 0x7f; });
  return visible ? Result<void>()
                 : fail(Errc::kInvalidArgument, "the token holds blanks or other characters that no token has");
}

/// True for addresses of the loopback interface.
bool is_on_this_machine(const std::string& url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), curl_url_cleanup);
  char* part = nullptr;
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), CURLUPART_HOST, &part, 0) != CURLUE_OK) {
    return false;
  }
  const std::string host(part);
  curl_free(part);
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

/// Posts the batch once.
Result<Answer> EventSender::Impl::post() {
  Answer answer;
  CURL* handle = curl.get();
  curl_easy_reset(handle);  // Options, not connections.
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, batch.data());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(batch.size()));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(options.request_timeout / milliseconds(1)));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  // The proxy that the environment may name doesn't know this machine's own servers.
  if (is_on_this_machine(url)) curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  if (const CURLcode code = curl_easy_perform(handle); code != CURLE_OK) return fail(error_of(code, options.server));
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
  curl_off_t retry_after = 0;
  curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &retry_after);
  answer.retry_after = seconds(std::clamp<curl_off_t>(retry_after, 0, kRetryAfterMaxSeconds));
  return answer;
}

/// Sends the batch, if there is one, and remembers the error that ends it all.
Result<void> EventSender::Impl::send() {
  if (ended_by) return fail(*ended_by);
  if (lines.empty()) return {};
  const Result<void> sent = send_batch();
  if (!sent) ended_by = sent.error();
  return sent;
}

/// Posts the batch until it is answered, and books the verdicts.
Result<void> EventSender::Impl::send_batch() {
  TIDEMARK_TRY(check_token());
  const auto deadline = std::chrono::steady_clock::now() + options.give_up_after;
  microseconds wait = kFirstWait;
  for (;;) {
    const Result<Answer> answer = post();
    if (answer && answer->status == 200) return book(*answer);
    const Error error = answer ? error_of(*answer) : answer.error();
    const microseconds asked = answer ? answer->retry_after : microseconds(0);
    const microseconds jittered = wait / 2 + microseconds(jitter() % static_cast<unsigned>(wait.count() / 2));
    const microseconds pause = std::max(asked, jittered);
    if (!is_passing(error.code()) || std::chrono::steady_clock::now() + pause > deadline) return fail(error);
    if (*on_retry) (*on_retry)(error, pause);
    std::this_thread::sleep_for(pause);
    wait = std::min<microseconds>(wait * 2, kLongestWait);
  }
}

Result<void> EventSender::Impl::book(const Answer& answer) {
  const auto verdicts = verdicts_of(answer, lines.size());
  if (!verdicts) {
    return fail(Errc::kInternal,
                "the answer isn't a list of verdicts, one an event; is this a tidemark server? " + options.server);
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const nlohmann::json& item = (*verdicts)[i];
    std::string verdict = text_of(item, "verdict");
    ++*count_of(counts, verdict);
    if (verdict == "new" || verdict == "duplicate") continue;
    refuse({lines[i], std::move(verdict), text_of(item, "field"), text_of(item, "detail")});
  }
  batch.clear();
  lines.clear();
  if (*on_progress) (*on_progress)(counts);
  return {};
}

}  // namespace tidemark::client
