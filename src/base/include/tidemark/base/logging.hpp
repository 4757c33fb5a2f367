#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "tidemark/base/error.hpp"

/// Structured logs on standard error, one line an entry: time, level, message, then key=value fields (logfmt), or JSON.
/// Messages are static text; what varies goes into fields. Never log a secret. Concurrency: safe from every thread.
namespace tidemark::logging {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class Format : std::uint8_t { kText, kJson };

/// One field of an entry. Values are escaped; text is cut at 1,024 bytes.
struct Field {
  Field(std::string_view k, std::string_view v) : key(k), text(v) {}
  Field(std::string_view k, const char* v) : key(k), text(v) {}
  Field(std::string_view k, const std::string& v) : key(k), text(v) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view k, T v) : key(k), text(std::to_string(v)), is_number(true) {}
  Field(std::string_view k, const Error& error) : key(k), text(error.message()) {}

  std::string_view key;
  std::string text;
  bool is_number = false;
};

/// Sets level and form for the whole process; call before threads start.
void configure(Level level, Format format);

void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void debug(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::kDebug, m, f);
}
inline void info(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::kInfo, m, f);
}
inline void warning(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::kWarning, m, f);
}
inline void error(std::string_view m, std::initializer_list<Field> f = {}) {
  write(Level::kError, m, f);
}

/// Flushes what is buffered; at the end of the process.
void flush();

}  // namespace tidemark::logging
