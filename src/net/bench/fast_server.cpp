// A server that answers every request with the preformatted `{}`: what a request costs at the door alone.
// Usage: net_fast_server [port]; then, for example: taskset -c 1 wrk -t1 -c64 -d3 http://127.0.0.1:8099/
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tidemark/net/http_server.hpp"

namespace {

class CountingHandler final : public tidemark::net::Handler {
 public:
  void handle(tidemark::net::Exchange& exchange) override {
    ++count;
    exchange.answer_preformatted(200, true);
  }
  std::uint64_t count = 0;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  tidemark::net::HttpServerOptions options;
  options.port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8099);
  CountingHandler handler;
  tidemark::Metrics metrics;
  tidemark::net::HttpServer server(options, handler, metrics);
  if (const auto started = server.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message().c_str());
    return 1;
  }
  std::printf("listening on http://%s:%u\n", options.host.c_str(), server.port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server.stop(tidemark::seconds(1));
  std::printf("requests %llu, CPU %.2f us a request\n", static_cast<unsigned long long>(handler.count),
              handler.count == 0 ? 0 : cpu_seconds() * 1e6 / static_cast<double>(handler.count));
}
