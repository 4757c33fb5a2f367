#include "serve_command.hpp"

#include <malloc.h>

#include <iostream>

#include "server.hpp"
#include "signal_waiter.hpp"
#include "tidemark/base/logging.hpp"
#include "tidemark/base/random.hpp"

namespace tidemark::app {
namespace {

/// Has the C library map each large block by itself, so that its memory goes back to the system when it is freed. Left
/// alone, the library raises the limit to the largest block ever freed; the key set's filters then lie in heaps among
/// small blocks, which leave gaps that no later filter fits, and memory grows for hours.
void return_large_blocks() {
  constexpr int kLargeBytes = 256 << 10;
  mallopt(M_MMAP_THRESHOLD, kLargeBytes);
}

}  // namespace

int serve(const config::Loaded& loaded) {
  const config::Settings& settings = loaded.settings;
  return_large_blocks();
  block_signals();
  logging::configure(settings.log_level, settings.log_format);
  for (const config::Problem& warning : loaded.warnings) {
    logging::warning("configuration", {{"detail", warning.to_string()}});
  }
  PosixFileSystem files;
  SystemClock clock;
  SystemRandom random;
  Server server(settings, files, clock, random);
  if (auto started = server.start(); !started) {
    logging::flush();
    std::cerr << "tidemark: " << started.error().message() << '\n';
    return exit_code(started.error());
  }
  std::cout << "listening on " << server.url() << std::endl;

  const int signal = wait_for_signal();
  exit_on_next_signal();
  if (signal != 0) logging::info("shutting down", {{"signal", signal}});
  const int code = server.stop();
  logging::flush();
  return code;
}

}  // namespace tidemark::app
