#include "tidemark/client/event_sender.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

namespace tidemark::client {
namespace {

constexpr std::size_t kRefusedMax = 100;
constexpr std::size_t kAnswerMaxBytes = 64u << 20;
constexpr milliseconds kFirstWait{200};
constexpr seconds kLongestWait{10};

struct Answer {
  long status = 0;
  std::string body;
  microseconds retry_after{};
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size > kAnswerMaxBytes) return 0;
  body.append(data, size);
  return size;
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
    case 503:
      return Error(Errc::kUnavailable, reason);
    default:
      return Error(answer.status >= 500 ? Errc::kUnavailable : Errc::kInvalidArgument, reason);
  }
}

}  // namespace

struct EventSender::Impl {
  explicit Impl(EventSenderOptions o) : options(std::move(o)), curl(curl_easy_init()) {
    url = options.server;
    while (url.ends_with('/')) url.pop_back();
    url += "/api/v1/events?verdicts=true";
    headers = curl_slist_append(headers, "Content-Type: application/x-ndjson");
    headers = curl_slist_append(headers, "Expect:");
    if (!options.token.empty())
      headers = curl_slist_append(headers, ("Authorization: Bearer " + options.token).c_str());
  }
  ~Impl() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<Answer> post();
  Result<void> send();
  Result<void> book(const Answer& answer);
  void refuse(RefusedEvent event) {
    if (refused.size() < kRefusedMax) refused.push_back(std::move(event));
  }

  const EventSenderOptions options;
  CURL* curl;
  curl_slist* headers = nullptr;
  std::string url;
  std::string batch;
  std::vector<std::uint64_t> lines;  // Of the events in the batch.
  std::uint64_t line = 0;
  VerdictCounts counts;
  std::vector<RefusedEvent> refused;
  std::minstd_rand jitter{std::random_device{}()};
  std::function<void(const VerdictCounts&)>* on_progress = nullptr;
  std::function<void(const Error&, microseconds)>* on_retry = nullptr;
};

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
  Impl& impl = *impl_;
  ++impl.line;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.find_first_not_of(" \t") == std::string_view::npos) return {};
  if (line.size() > impl.options.line_bytes_max) {
    ++impl.counts.invalid;
    impl.refuse({impl.line, "invalid", "",
                 "the line is longer than " + std::to_string(impl.options.line_bytes_max) + " bytes"});
    return {};
  }
  if (!impl.batch.empty() && impl.batch.size() + line.size() + 1 > impl.options.batch_bytes) TIDEMARK_TRY(impl.send());
  impl.batch.append(line).push_back('\n');
  impl.lines.push_back(impl.line);
  return impl.lines.size() >= impl.options.batch_events ? impl.send() : Result<void>();
}

Result<void> EventSender::finish() {
  return impl_->lines.empty() ? Result<void>() : impl_->send();
}

/// Posts the batch once.
Result<Answer> EventSender::Impl::post() {
  Answer answer;
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, batch.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(batch.size()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(options.request_timeout / milliseconds(1)));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  const CURLcode code = curl_easy_perform(curl);
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    return fail(Errc::kInvalidArgument,
                "the server's URL can't be read; it looks like http://HOST:PORT: " + options.server);
  }
  if (code != CURLE_OK) {
    return fail(Errc::kConnectionLost,
                std::string("the server can't be reached at ") + options.server + ": " + curl_easy_strerror(code));
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  curl_off_t retry_after = 0;
  if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK)
    answer.retry_after = seconds(retry_after);
  return answer;
}

/// Posts the batch until it is answered, books the verdicts, and empties it.
Result<void> EventSender::Impl::send() {
  const auto deadline = std::chrono::steady_clock::now() + options.give_up_after;
  microseconds wait = kFirstWait;
  for (;;) {
    const Result<Answer> answer = post();
    if (answer && answer->status == 200) return book(*answer);
    const Error error = answer ? error_of(*answer) : answer.error();
    const bool again = error.code() == Errc::kUnavailable || error.code() == Errc::kRateLimited ||
                       error.code() == Errc::kConnectionLost;
    const microseconds asked = answer ? answer->retry_after : microseconds(0);
    const microseconds pause =
        std::max(asked, wait / 2 + microseconds(jitter() % static_cast<unsigned>(wait.count() / 2)));
    if (!again || std::chrono::steady_clock::now() + pause > deadline) return fail(error);
    if (*on_retry) (*on_retry)(error, pause);
    std::this_thread::sleep_for(pause);
    wait = std::min<microseconds>(wait * 2, kLongestWait);
  }
}

Result<void> EventSender::Impl::book(const Answer& answer) {
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  const auto verdicts = json.is_object() ? json.find("verdicts") : json.end();
  if (!json.is_object() || verdicts == json.end() || !verdicts->is_array() || verdicts->size() != lines.size()) {
    return fail(Errc::kInternal,
                "the server's answer isn't a list of verdicts; is this a tidemark server? " + options.server);
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const nlohmann::json& item = (*verdicts)[i];
    const std::string verdict = item.value("verdict", "");
    if (verdict == "new") {
      ++counts.fresh;
    } else if (verdict == "duplicate") {
      ++counts.duplicate;
    } else {
      ++(verdict == "conflict" ? counts.conflict : verdict == "too_late" ? counts.too_late : counts.invalid);
      refuse({lines[i], verdict, item.value("field", ""), item.value("detail", "")});
    }
  }
  batch.clear();
  lines.clear();
  if (*on_progress) (*on_progress)(counts);
  return {};
}

}  // namespace tidemark::client
