#include "setting_table.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "tidemark/base/bytes.hpp"
#include "value.hpp"

namespace tidemark::config {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;
constexpr std::uint64_t kTiB = 1024 * kGiB;
constexpr microseconds kLongest = days(73'000);  // 200 years: any history can be imported, and sums of two fit.
constexpr std::size_t kMaxSqlName = 63;          // PostgreSQL cuts longer names.

constexpr auto kLevels = std::to_array<std::string_view>({"debug", "info", "warning", "error"});
constexpr auto kFormats = std::to_array<std::string_view>({"text", "json"});

constexpr std::string_view kServer = "Server";
constexpr std::string_view kDatabase = "Database";
constexpr std::string_view kEvents = "Events and identities";
constexpr std::string_view kFlow = "Flow into the database";
constexpr std::string_view kStorage = "Log and key set";
constexpr std::string_view kLogs = "Logs of the process";

constexpr auto kTable = std::to_array<Setting>({
    {kServer, "data", TextType{&Settings::data}, "./data",
     "Directory for everything that Tidemark keeps itself: log, key set and, by default, the database. One process "
     "holds it."},
    {kServer, "listen", AddressType{&Settings::listen}, "127.0.0.1:8080",
     "Where HTTP is served; port 0 takes any free one."},
    {kServer, "io_threads", CountType{&Settings::io_threads, 1, 64}, "1", "Threads that serve connections."},
    {kServer, "max_connections", CountType{&Settings::max_connections, 1, 1'000'000}, "10000",
     "Connections at once; more are turned away."},
    {kServer, "max_body_bytes", SizeType{&Settings::max_body_bytes, kKiB, kGiB}, "8 MiB",
     "Largest request body, after unpacking; a larger one is answered 413."},
    {kServer, "shutdown_timeout", DurationType{&Settings::shutdown_timeout, seconds(1), minutes(10)}, "20s",
     "Longest that SIGTERM waits for requests and flows to finish."},
    {kDatabase, "database", DatabaseUrlType{&Settings::database}, "",
     "Where totals go: sqlite:PATH, postgres://… or mysql://…; empty is sqlite:DATA/tidemark.db."},
    {kDatabase, "database_password_file", TextType{&Settings::database_password_file, true}, "",
     "File whose first line is the password for `database`, so that it needn't stand in the URL."},
    {kDatabase, "database_password", SecretType{&Settings::database_password}, "",
     "Password for `database`, used where neither `database_password_file` nor the URL gives one."},
    {kDatabase, "database_schema", SqlNameType{&Settings::database_schema}, "",
     "Schema for the tables, where the database has schemas; empty is PostgreSQL's `public`."},
    {kDatabase, "database_role", SqlNameType{&Settings::database_role}, "",
     "PostgreSQL: the role that sessions take on after they have logged in; empty for none."},
    {kDatabase, "connect_timeout", DurationType{&Settings::connect_timeout, milliseconds(100), hours(1)}, "5s",
     "Longest that a connection to the database may take to stand."},
    {kDatabase, "statement_timeout", DurationType{&Settings::statement_timeout, milliseconds(100), hours(1)}, "30s",
     "Longest that a statement may run; its transaction is then run again."},
    {kDatabase, "lock_timeout", DurationType{&Settings::lock_timeout, milliseconds(100), hours(1)}, "10s",
     "Longest that a statement may wait for a lock; its transaction is then run again."},
    {kEvents, "identity_window", DurationType{&Settings::identity_window, seconds(1), kLongest}, "32d",
     "How long an event's identity is remembered: within it a repeat is a duplicate. Not below max_event_age + "
     "max_future_skew."},
    {kEvents, "max_event_age", DurationType{&Settings::max_event_age, seconds(1), kLongest}, "31d",
     "Oldest event time that is taken; an older one is too_late."},
    {kEvents, "max_future_skew", DurationType{&Settings::max_future_skew, seconds(0), days(365)}, "5m",
     "How far an event's time may lie ahead of the server's clock; further ahead it is invalid."},
    {kFlow, "flush_interval", DurationType{&Settings::flush_interval, milliseconds(10), seconds(10)}, "1s",
     "How often totals are written. Longer folds more events into a row; stretched to 4s at most where writing takes "
     "over a tenth of the time."},
    {kFlow, "stall_timeout", DurationType{&Settings::stall_timeout, seconds(1), days(1)}, "60s",
     "A flow that had work and made no attempt for so long makes /readyz answer 503."},
    {kStorage, "backlog_max_bytes", SizeType{&Settings::backlog_max_bytes, kMiB, 1024 * kTiB}, "16 GiB",
     "The doors close while the slowest flow is so far behind the log's end."},
    {kStorage, "disk_reserve_bytes", SizeType{&Settings::disk_reserve_bytes, 0, 1024 * kTiB}, "1 GiB",
     "The doors close while less is free on the disk of `data`; flows and the database may use the rest."},
    {kStorage, "log_segment_bytes", SizeType{&Settings::log_segment_bytes, 64 * kKiB, kGiB, 4 * kKiB}, "64 MiB",
     "Size of a file of the log, allocated as a whole and dropped as a whole."},
    {kStorage, "log_retention", DurationType{&Settings::log_retention, seconds(0), kLongest}, "24h",
     "How long the log keeps what every flow has applied."},
    {kStorage, "keyset_memory_bytes", SizeType{&Settings::keyset_memory_bytes, kMiB, kTiB}, "256 MiB",
     "Memory for identities, 4 bytes each at best, 2 at nearly the same speed, and the less, the more look-ups read "
     "from disk."},
    {kLogs, "log_level", LogLevelType{}, "info", "Least severe entry that is written to standard error."},
    {kLogs, "log_format", LogFormatType{}, "text", "One line an entry: text (logfmt) or json."},
});

template <class... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overload(Cases...) -> Overload<Cases...>;

std::int64_t count_of(microseconds duration) noexcept {
  return duration.count();
}
template <class T>
  requires std::is_integral_v<T>
T count_of(T number) noexcept {
  return number;
}

tl::unexpected<Fault> bad(std::string_view text, const Fault& fault) {
  return tl::unexpected(Fault{"'" + shown(text) + "' " + fault.what, fault.remedy});
}

/// Stores what `parsed` holds if it lies within the range; else the fault shows the text.
template <class T, class Type>
Parsed<void> store(std::string_view text, const Parsed<T>& parsed, const Type& type, const Setting& setting,
                   Settings& settings) {
  if (!parsed) return bad(text, parsed.error());
  if (std::cmp_less(count_of(*parsed), count_of(type.min)) || std::cmp_greater(count_of(*parsed), count_of(type.max))) {
    return bad(text, {"is out of range", "allowed is " + range_of(setting)});
  }
  settings.*type.member = static_cast<std::decay_t<decltype(type.min)>>(*parsed);
  return {};
}

std::string join(std::span<const std::string_view> names) {
  std::string out;
  for (const std::string_view name : names) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

template <class T>
Parsed<void> choose(std::string_view text, std::span<const std::string_view> names, T& out) {
  const auto name = std::ranges::find(names, text);
  if (name == names.end()) return bad(text, {"isn't known", "write one of " + join(names)});
  out = static_cast<T>(name - names.begin());
  return {};
}

bool is_sql_name(std::string_view text) noexcept {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return text.size() <= kMaxSqlName && std::ranges::all_of(text, fits) &&
         (text.empty() || text.front() < '0' || text.front() > '9');
}

}  // namespace

std::span<const Setting> setting_table() {
  return kTable;
}

const Setting* find_setting(std::string_view key) {
  const auto row = std::ranges::find(kTable, key, &Setting::key);
  return row == kTable.end() ? nullptr : &*row;
}

std::string flag_of(std::string_view key) {
  std::string flag = "--" + std::string(key);
  std::ranges::replace_if(flag, [](char c) { return c == '_' || c == '.'; }, '-');
  return flag;
}

std::string variable_of(std::string_view key) {
  std::string variable = "TIDEMARK_";
  for (const char c : key) {
    const bool lower = c >= 'a' && c <= 'z';
    variable.push_back(c == '.' ? '_' : lower ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return variable;
}

Parsed<void> assign(const Setting& setting, std::string_view text, Settings& settings) {
  // Not shown: it may be a URL with a password.
  if (!is_storable_text(text)) return tl::unexpected(Fault{"isn't UTF-8 text", "save it as UTF-8"});
  const auto visitor = Overload{
      [&](const TextType& type) -> Parsed<void> {
        if (text.empty() && !type.may_be_empty) return tl::unexpected(Fault{"is empty", "write a path"});
        settings.*type.member = text;
        return {};
      },
      [&](const SqlNameType& type) -> Parsed<void> {
        if (!is_sql_name(text)) {
          return bad(text, {"isn't a plain name", "write up to 63 letters, digits and underscores, no digit first"});
        }
        settings.*type.member = text;
        return {};
      },
      [&](const SecretType& type) -> Parsed<void> {
        settings.*type.member = text;
        return {};
      },
      [&](const DatabaseUrlType& type) -> Parsed<void> {
        const Parsed<void> checked = text.empty() ? Parsed<void>() : check_database_url(text);
        if (checked) settings.*type.member = text;
        return checked;
      },
      [&](const AddressType& type) -> Parsed<void> {
        const Parsed<Address> parsed = parse_address(text);
        if (!parsed) return bad(text, parsed.error());
        settings.*type.member = *parsed;
        return {};
      },
      [&](const DurationType& type) { return store(text, parse_time_span(text), type, setting, settings); },
      [&](const SizeType& type) -> Parsed<void> {
        const Parsed<std::uint64_t> size = parse_size(text);
        if (size && *size % type.multiple_of != 0) {
          return bad(text, {"isn't a multiple of " + format_size(type.multiple_of), "allowed is " + range_of(setting)});
        }
        return store(text, size, type, setting, settings);
      },
      [&](const CountType& type) { return store(text, parse_count(text), type, setting, settings); },
      [&](const LogLevelType&) { return choose(text, kLevels, settings.log_level); },
      [&](const LogFormatType&) { return choose(text, kFormats, settings.log_format); },
  };
  return std::visit(visitor, setting.type);
}

std::string written(const Setting& setting, const Settings& settings) {
  const auto visitor = Overload{
      [&](const TextType& type) { return settings.*type.member; },
      [&](const SqlNameType& type) { return settings.*type.member; },
      [&](const SecretType& type) {
        return std::string((settings.*type.member).empty() ? std::string_view() : kHidden);
      },
      [&](const DatabaseUrlType& type) { return redact_url(settings.*type.member); },
      [&](const AddressType& type) { return format_address(settings.*type.member); },
      [&](const DurationType& type) { return format_duration(settings.*type.member); },
      [&](const SizeType& type) { return format_size(settings.*type.member); },
      [&](const CountType& type) { return std::to_string(settings.*type.member); },
      [&](const LogLevelType&) { return std::string(kLevels[static_cast<std::size_t>(settings.log_level)]); },
      [&](const LogFormatType&) { return std::string(kFormats[static_cast<std::size_t>(settings.log_format)]); },
  };
  return std::visit(visitor, setting.type);
}

std::string range_of(const Setting& setting) {
  const auto visitor = Overload{
      [](const TextType& type) -> std::string { return type.may_be_empty ? "path, or empty" : "path"; },
      [](const SqlNameType&) -> std::string { return "name, or empty"; },
      [](const SecretType&) -> std::string { return "text, or empty"; },
      [](const DatabaseUrlType&) -> std::string { return "URL, or empty"; },
      [](const AddressType&) -> std::string { return "HOST:PORT"; },
      [](const DurationType& type) { return format_duration(type.min) + " to " + format_duration(type.max); },
      [](const SizeType& type) {
        const std::string step = type.multiple_of == 1 ? "" : " in steps of " + format_size(type.multiple_of);
        return format_size(type.min) + " to " + format_size(type.max) + step;
      },
      [](const CountType& type) { return std::to_string(type.min) + " to " + std::to_string(type.max); },
      [](const LogLevelType&) { return join(kLevels); },
      [](const LogFormatType&) { return join(kFormats); },
  };
  return std::visit(visitor, setting.type);
}

}  // namespace tidemark::config
