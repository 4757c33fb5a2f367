#include "bench_command.hpp"

#include <filesystem>
#include <iostream>

#include "data_directory.hpp"
#include "exit_code.hpp"
#include "open_database.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::app {

int bench(const bench::Options& options, const config::Settings& defaults) {
  logging::configure(logging::Level::kWarning, logging::Format::kText);
  PosixFileSystem files;
  bench::Surroundings surroundings;
  std::error_code error;
  surroundings.program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  surroundings.open_database = [&](const std::string& url) {
    config::Settings settings = defaults;
    settings.database = url;
    return open_database(settings, files);
  };
  surroundings.mark_data_directory = [&](const std::string& path) -> Result<void> {
    TIDEMARK_TRY(DataDirectory::open(files, path));
    return {};
  };
  const auto done = bench::run(options, surroundings, std::cout);
  logging::flush();
  if (done) return 0;
  std::cerr << "tidemark: " << done.error().message() << '\n';
  return done.error().code() == Errc::kInvalidArgument ? kExitUsage : kExitFailed;
}

}  // namespace tidemark::app
