#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/base/logging.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::config {

/// Where a server listens. Port 0 takes any free one. An IPv6 host stands without its brackets.
struct Address {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

/// A meter as it stands in the file; what its texts mean is checked by the module `meters`.
struct MeterSettings {
  std::string slug;
  std::string event_type;
  std::string aggregation;
  std::string value_property;                   ///< Empty if absent.
  std::map<std::string, std::string> group_by;  ///< Name to JSONPath.
  std::vector<std::string> windows;             ///< Empty if absent: all sizes.
  std::string name;
  std::string description;
  int line = 0;  ///< Where it begins in the file, from 1.
};

/// Every setting, typed and within its range. What each means, its default and its range are in setting_table.cpp, from
/// which docs/configuration.md is written. Durations and sizes are never negative.
struct Settings {
  std::string data;
  Address listen;
  std::string database;  ///< A URL that may hold a password: never log it, see redact_url(). Empty: sqlite in `data`.
  std::string database_password_file;
  std::string database_password;  ///< Never log it.
  std::string database_schema;
  std::string database_role;
  microseconds statement_timeout{0};
  microseconds lock_timeout{0};
  microseconds connect_timeout{0};

  microseconds identity_window{0};
  microseconds max_event_age{0};
  microseconds max_future_skew{0};
  microseconds flush_interval{0};
  microseconds stall_timeout{0};
  microseconds shutdown_timeout{0};

  std::uint64_t max_body_bytes = 0;
  int max_connections = 0;
  int io_threads = 0;

  std::uint64_t backlog_max_bytes = 0;
  std::uint64_t disk_reserve_bytes = 0;
  std::uint64_t log_segment_bytes = 0;
  microseconds log_retention{0};
  std::uint64_t keyset_memory_bytes = 0;

  logging::Level log_level = logging::Level::kInfo;
  logging::Format log_format = logging::Format::kText;

  std::vector<MeterSettings> meters;

  /// `database`, or what its default stands for: `sqlite:DATA/tidemark.db`.
  std::string database_url() const;
};

/// Returns `url` with every password in it replaced by ***: before the host and among the parameters. What has no
/// scheme is replaced as a whole, since it can't be told what it is.
std::string redact_url(std::string_view url);

}  // namespace tidemark::config
