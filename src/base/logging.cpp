#include "tidemark/base/logging.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <memory>

#include "tidemark/base/bytes.hpp"
#include "tidemark/base/clock.hpp"
#include "tidemark/base/json_text.hpp"

namespace tidemark::logging {
namespace {

constexpr std::size_t kMaxFieldBytes = 1024;

std::atomic<Format> current_format{Format::kText};

spdlog::level::level_enum spdlog_level(Level level) noexcept {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string_view level_name(Level level) noexcept {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "error";
}

/// Never destroyed: threads and destructors may log until the very end.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_pattern("%v");
    return new spdlog::logger("tidemark", std::move(sink));
  }();
  return *instance;
}

/// Cuts at kMaxFieldBytes, before a character rather than within it.
std::string_view cut(std::string_view text) noexcept {
  if (text.size() <= kMaxFieldBytes) return text;
  std::size_t end = kMaxFieldBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

/// Writes a JSON string. What isn't UTF-8 comes out as U+FFFD for each byte above 0x7F, so every line stays valid JSON.
void append_quoted(std::string& out, std::string_view text) {
  if (is_storable_text(text)) return append_json_string(out, text);
  std::string replaced;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > 0x7F) {
      replaced.append("\ufffd");
    } else {
      replaced.push_back(c);
    }
  }
  append_json_string(out, replaced);
}

/// True if `text` can stand in a logfmt line without quotes.
bool is_plain(std::string_view text) noexcept {
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F) return false;  // Signed: above 0x7F is below ' '.
  }
  return !text.empty();
}

bool is_json_number(const Field& field) noexcept {
  return field.is_number && field.text.find_first_not_of("-0123456789.e+") == std::string::npos;
}

std::string text_line(Level level, std::string_view message, std::initializer_list<Field> fields) {
  std::string line = format_rfc3339(SystemClock().now());
  line.append(" ").append(level_name(level)).append(" ").append(message);
  for (const Field& field : fields) {
    line.append(" ").append(field.key).push_back('=');
    const std::string_view value = cut(field.text);
    if (is_plain(value)) {
      line.append(value);
    } else {
      append_quoted(line, value);
    }
  }
  return line;
}

std::string json_line(Level level, std::string_view message, std::initializer_list<Field> fields) {
  std::string line = R"({"time":")";
  append_rfc3339(line, SystemClock().now());
  line.append(R"(","level":")").append(level_name(level)).append(R"(","message":)");
  append_quoted(line, message);
  for (const Field& field : fields) {
    line.push_back(',');
    append_quoted(line, field.key);
    line.push_back(':');
    if (is_json_number(field)) {
      line.append(field.text);
    } else {
      append_quoted(line, cut(field.text));
    }
  }
  line.push_back('}');
  return line;
}

}  // namespace

void configure(Level level, Format format) {
  logger().set_level(spdlog_level(level));
  current_format = format;
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!logger().should_log(spdlog_level(level))) return;
  const bool json = current_format == Format::kJson;
  const std::string line = json ? json_line(level, message, fields) : text_line(level, message, fields);
  logger().log(spdlog_level(level), spdlog::string_view_t(line));
}

void flush() {
  logger().flush();
}

}  // namespace tidemark::logging
