#include "measured_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "workloads.hpp"

namespace tidemark::bench {
namespace {

constexpr milliseconds kPoll{1};

/// Whether the server answers 200. One connection for one question: nothing here is fast, or measured finer than kPoll.
bool answers_ok(const Place& place, const std::string& path) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(place.port);
  if (inet_pton(AF_INET, place.host.c_str(), &address.sin_addr) != 1) return false;
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + place.host + "\r\nConnection: close\r\n\r\n";
  std::string answer;
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      send(descriptor, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t count = 0; (count = recv(descriptor, buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(count));
    }
  }
  close(descriptor);
  return answer.starts_with("HTTP/1.1 200 ");
}

}  // namespace

std::string data_directory(const Options& options) {
  return options.directory + "/data";
}

std::string database_url(const Options& options) {
  return options.database.empty() ? "sqlite:" + options.directory + "/totals.db" : options.database;
}

Result<std::unique_ptr<ServerProcess>> start_tidemark(const Options& options, const Surroundings& surroundings,
                                                      const std::string& database_url) {
  const std::string config = options.directory + "/tidemark.yaml";
  std::ofstream(config) << meter_yaml();
  return ServerProcess::start(
      surroundings.program,
      {"serve", "--config", config, "--data", data_directory(options), "--listen", "127.0.0.1:0", "--database",
       database_url, "--keyset-memory-bytes", std::to_string(options.keyset_memory_bytes), "--backlog-max-bytes",
       "64GiB", "--shutdown-timeout", database_url == kUnreachable ? "2s" : "600s", "--log-level", "info"},
      options.directory + "/server.log", options.pinned);
}

Result<void> prepare_data(const Options& options, const Surroundings& surroundings) {
  if (options.preloaded_claims == 0 || std::filesystem::exists(data_directory(options) + "/keyset")) return {};
  TIDEMARK_TRY(surroundings.mark_data_directory(data_directory(options)));
  TIDEMARK_TRY(preload_claims(data_directory(options), kIdentityWindow, options));
  note_identities(options, options.preloaded_claims);
  return {};
}

std::uint64_t count_segments(const Options& options) {
  std::error_code error;
  std::uint64_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data_directory(options) + "/keyset", error)) {
    count += entry.path().filename().string().starts_with("segment-");
  }
  return count;
}

Result<Place> place_of(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  const auto colon = url.rfind(':');
  Place place;
  if (url.starts_with(kScheme) && colon > kScheme.size()) {
    place.host = url.substr(kScheme.size(), colon - kScheme.size());
    std::from_chars(url.data() + colon + 1, url.data() + url.size(), place.port);
  }
  if (place.port == 0) return fail(Errc::kInvalidArgument, "the server must be named as http://ADDRESS:PORT: " + url);
  return place;
}

Result<void> await_ok(const Place& place, const std::string& path, milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!answers_ok(place, path)) {
    if (std::chrono::steady_clock::now() > deadline) {
      return fail(Errc::kTimeout, "the server didn't answer 200 in time: " + path);
    }
    std::this_thread::sleep_for(kPoll);
  }
  return {};
}

}  // namespace tidemark::bench
