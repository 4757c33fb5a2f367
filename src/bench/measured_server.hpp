#pragma once

#include <memory>
#include <string>

#include "server_process.hpp"
#include "tidemark/base/time.hpp"
#include "tidemark/bench/bench.hpp"

namespace tidemark::bench {

/// Nothing answers here: the flow tries, and everything else goes on.
inline constexpr std::string_view kUnreachable = "postgres://127.0.0.1:9/none?connect_timeout=2";

/// The identity window of a server that a workload starts, for claims that are preloaded.
inline constexpr microseconds kIdentityWindow = std::chrono::hours(24 * 32);

/// Where the data of a workload's server lies, and its SQLite database if no other is named.
std::string data_directory(const Options& options);
std::string database_url(const Options& options);

/// Starts `tidemark serve` on the workload's data with its meter, log in `server.log` at level info.
Result<std::unique_ptr<ServerProcess>> start_tidemark(const Options& options, const Surroundings& surroundings,
                                                      const std::string& database_url);

/// Puts `options.preloaded_claims` into the key set of a data directory that has no key set yet.
Result<void> prepare_data(const Options& options, const Surroundings& surroundings);

/// The key set's segments in the data directory, as the files there tell.
std::uint64_t count_segments(const Options& options);

struct Place {
  std::string host;
  std::uint16_t port = 0;
};

/// Error kInvalidArgument when `url` isn't http://ADDRESS:PORT.
Result<Place> place_of(const std::string& url);

/// Asks `GET path` until it is answered with 200, at most `timeout`. Error kTimeout.
Result<void> await_ok(const Place& place, const std::string& path, milliseconds timeout);

}  // namespace tidemark::bench
