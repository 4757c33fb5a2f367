#include "event_stream.hpp"

#include <algorithm>

#include "tidemark/base/assert.hpp"

namespace tidemark::bench {
namespace {

constexpr std::size_t kIdDigits = 12;
constexpr std::size_t kSubjectDigits = 8;
/// Repeated events are among the last so many: what producers that try again send.
constexpr std::uint64_t kRepeatSpan = 100'000;

void write_digits(char* at, std::size_t digits, std::uint64_t number) noexcept {
  for (std::size_t i = digits; i-- > 0; number /= 10) at[i] = static_cast<char>('0' + number % 10);
}

std::uint64_t amount_of(std::uint64_t number) noexcept {
  return 1 + number % 9;
}

std::string_view content_type(std::size_t events, BatchForm form) noexcept {
  if (events == 1) return "application/cloudevents+json";
  return form == BatchForm::kLines ? "application/x-ndjson" : "application/cloudevents-batch+json";
}

}  // namespace

EventStream::EventStream(const Options& options, std::uint32_t run, Timestamp event_time, std::string_view host)
    : batch_events_(options.workload == Workload::kSingle ? 1 : options.batch_events),
      form_(options.form),
      subjects_(options.subjects),
      repeat_below_(static_cast<std::uint64_t>(options.duplicates * 4294967296.0)) {
  std::string digits(8, '0');
  write_digits(digits.data(), digits.size(), run);
  event_ = R"({"specversion":"1.0","id":")" + digits + "-";
  id_at_ = event_.size();
  event_.append(kIdDigits, '0').append(R"(","source":"bench","type":")").append(kEventType);
  event_.append(R"(","subject":"s-)");
  subject_at_ = event_.size();
  event_.append(kSubjectDigits, '0').append(R"(","time":")").append(format_rfc3339(event_time));
  event_.append(R"(","data":{"amount":)");
  amount_at_ = event_.size();
  event_.append(R"(1,"model":")");
  constexpr std::string_view kEnd = R"("}})";
  const std::size_t padded =
      std::max(event_.size() + 1, options.event_bytes - std::min(options.event_bytes, kEnd.size()));
  event_.append(padded - event_.size(), 'm').append(kEnd);

  const bool array = batch_events_ > 1 && form_ == BatchForm::kArray;
  const std::size_t body_bytes = batch_events_ * event_.size() + (batch_events_ - 1) + (array ? 2 : 0);
  head_ = "POST /api/v1/events HTTP/1.1\r\nHost: " + std::string(host) +
          "\r\nContent-Type: " + std::string(content_type(batch_events_, form_)) +
          "\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n";
}

EventRequest EventStream::make_request() const {
  EventRequest request;
  const bool array = batch_events_ > 1 && form_ == BatchForm::kArray;
  request.bytes = head_;
  if (array) request.bytes.push_back('[');
  for (std::size_t i = 0; i < batch_events_; ++i) {
    if (i > 0) request.bytes.push_back(array ? ',' : '\n');
    request.event_at.push_back(request.bytes.size());
    request.bytes += event_;
  }
  if (array) request.bytes.push_back(']');
  return request;
}

std::uint64_t EventStream::next_number(EventTotals& fresh) {
  if (repeat_below_ > 0 && fresh_count_ > 0) {
    random_ = mix(random_);
    if ((random_ & 0xffffffff) < repeat_below_) {
      return fresh_count_ - 1 - (random_ >> 32) % std::min(fresh_count_, kRepeatSpan);
    }
  }
  const std::uint64_t number = fresh_count_++;
  fresh += {1, amount_of(number)};
  return number;
}

void EventStream::fill(EventRequest& request) {
  request.fresh = {};
  for (const std::size_t at : request.event_at) {
    const std::uint64_t number = next_number(request.fresh);
    char* event = request.bytes.data() + at;
    write_digits(event + id_at_, kIdDigits, number);
    write_digits(event + subject_at_, kSubjectDigits, mix(number) % subjects_);
    event[amount_at_] = static_cast<char>('0' + amount_of(number));
  }
}

}  // namespace tidemark::bench
