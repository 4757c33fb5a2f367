#include "serve_command.hpp"

#include <iostream>

#include "server.hpp"
#include "signal_waiter.hpp"
#include "tidemark/base/logging.hpp"
#include "tidemark/base/random.hpp"

namespace tidemark::app {

int serve(const config::Loaded& loaded) {
  const config::Settings& settings = loaded.settings;
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
