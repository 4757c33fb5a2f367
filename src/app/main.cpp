#include <CLI/CLI.hpp>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "bench_command.hpp"
#include "exit_code.hpp"
#include "import_command.hpp"
#include "open_database.hpp"
#include "send_command.hpp"
#include "serve_command.hpp"
#include "setting_checks.hpp"
#include "tidemark/config/load.hpp"
#include "totals_command.hpp"
#include "version.hpp"

namespace {

using namespace tidemark;
using namespace tidemark::app;

constexpr const char* kDefaultConfig = "./tidemark.yaml";

/// Every setting is a flag of the commands that load the configuration; they are listed below the command's own.
std::string settings_help() {
  std::ostringstream text;
  text << "Settings (also in the file, and as TIDEMARK_… in the environment):\n";
  for (const config::Flag& flag : config::flags()) {
    text << "  " << flag.name << " (" << flag.fallback << ")\n      " << flag.about << '\n';
  }
  return text.str();
}

/// Loads and checks the settings, the meters among them. Prints every problem.
std::optional<config::Loaded> load_settings(const std::string& config_file, const std::vector<std::string>& arguments) {
  config::Sources sources;
  sources.environment = config::process_environment();
  sources.arguments = arguments;
  sources.file_name = config_file.empty() ? kDefaultConfig : config_file;
  PosixFileSystem files;
  if (auto text = read_file(files, sources.file_name, config::kMaxFileBytes)) {
    sources.file_text = std::move(*text);
  } else if (!config_file.empty() || text.error().code() != Errc::kNotFound) {
    std::cerr << "tidemark: the configuration can't be read: " << text.error().message() << '\n';
    return std::nullopt;
  }
  sources.further_checks = [&](const config::Loaded& read) { return check_settings(read, sources.file_name, files); };
  auto loaded = config::load(sources);
  if (loaded) return std::move(*loaded);
  for (const config::Problem& problem : loaded.error()) std::cerr << "tidemark: " << problem.to_string() << '\n';
  return std::nullopt;
}

int fail_with(const Error& error) {
  std::cerr << "tidemark: " << error.message() << '\n';
  return error.code() == Errc::kInvalidArgument ? kExitUsage : kExitFailed;
}

/// Names the word that was taken for a command: the parser only says that a command is missing.
std::string usage_problem(const CLI::App* cli, const CLI::Error& error) {
  std::string problem = error.what();
  const std::vector<std::string> unknown = cli->remaining(true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !unknown.empty()) {
    problem = unknown.front() + ": isn't expected here";
  }
  return "tidemark: " + problem + "\nRun with --help for more information.\n";
}

std::string environment_or(const char* name, std::string fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : std::move(fallback);
}

/// What `tidemark bench` takes on the command line, before it is made into bench::Options.
struct BenchArguments {
  bench::Options options;
  std::string workload;
  std::string form = "ndjson";
  std::string flows = "on";
  long measured_seconds = 0;  // As the workload has it.
  long warm_up_seconds = 5;
};

CLI::App* add_bench_command(CLI::App& cli, BenchArguments& arguments) {
  bench::Options& options = arguments.options;
  CLI::App* command = cli.add_subcommand("bench", "Measures a named workload and checks its result");
  command->add_option("WORKLOAD", arguments.workload, "single, batch, claims, flush, start, soak or preload")
      ->required()
      ->check(CLI::IsMember({"single", "batch", "claims", "flush", "start", "soak", "preload"}));
  command->add_option("--server", options.server, "a running server; one is started otherwise")->type_name("URL");
  command->add_option("--server-pid", options.server_pid, "its process on this machine, to tell what it uses");
  command->add_option("--database", options.database, "an empty database; SQLite otherwise")->type_name("URL");
  command->add_option("--directory", options.directory,
                      "an empty directory for the data, which stays; a temporary one otherwise");
  command->add_flag("--reuse", options.reused,
                    "go on with what an earlier run, or preload, left in --directory (not soak)");
  command->add_option("--seconds", arguments.measured_seconds, "how long is measured; 60, or 600 of the soak")
      ->check(CLI::Range(1, 86400));
  command->add_option("--warm-up", arguments.warm_up_seconds, "seconds before that")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  command->add_option("--rate", options.rate, "requests a second on schedule (open loop); 0: as fast as answered")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--batch-rate", options.batch_rate, "batches a second of the soak, beside --rate single events")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--events", options.events_max, "end the measured time after so many; 0: after --seconds")
      ->capture_default_str();
  command->add_option("--connections", options.connections, "kept connections")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--subjects", options.subjects, "distinct subjects")
      ->check(CLI::Range(1, 99999999))
      ->capture_default_str();
  command->add_option("--duplicates", options.duplicates, "share of events sent again")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  command->add_option("--batch", options.batch_events, "events a request, or claims a group")
      ->check(CLI::Range(2, 10000))
      ->capture_default_str();
  command->add_option("--event-bytes", options.event_bytes, "JSON bytes of an event")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_option("--form", arguments.form, "of a batch")
      ->check(CLI::IsMember({"ndjson", "array"}))
      ->capture_default_str();
  command->add_option("--flows", arguments.flows, "off: the database can't be reached while it is measured")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  command->add_flag("--pin", options.pinned, "server on the first core, generator on the last");
  command->add_option("--preload-claims", options.preloaded_claims, "claims in the key set beforehand")
      ->capture_default_str();
  command->add_option("--buckets", options.preloaded_buckets, "steps of arrival time among those")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--keyset-memory-bytes", options.keyset_memory_bytes, "memory of the key set")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  command->add_option("--keys", options.keys, "totals changed in one flush")
      ->check(CLI::Range(1, 99999999))
      ->capture_default_str();
  command->add_option("--tail-bytes", options.tail_bytes, "log behind the last checkpoint and the flow, for the start")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  command->add_flag("--json", options.json, "print the result as JSON");
  command->footer(
      "Latency counts from when a request was due. The last line tells whether SQL holds what was acknowledged.\n\n"
      "Examples:\n"
      "  tidemark bench single --pin\n"
      "  tidemark bench single --pin --rate 30000\n"
      "  tidemark bench batch --connections 16 --flows off --preload-claims 100000000\n"
      "  tidemark bench claims --preload-claims 20000000 --duplicates 0.5 --keyset-memory-bytes 2GiB\n"
      "  tidemark bench flush --database postgres://postgres@localhost/bench\n"
      "  tidemark bench start --seconds 10 --preload-claims 100000000\n"
      "  tidemark bench soak --duplicates 0.05 --keyset-memory-bytes 8MiB\n"
      "  tidemark bench preload --preload-claims 100000000 --directory claims");
  return command;
}

bench::Options bench_options(const BenchArguments& arguments) {
  bench::Options options = arguments.options;
  options.workload = arguments.workload == "single"   ? bench::Workload::kSingle
                     : arguments.workload == "batch"  ? bench::Workload::kBatch
                     : arguments.workload == "claims" ? bench::Workload::kClaims
                     : arguments.workload == "flush"  ? bench::Workload::kFlush
                     : arguments.workload == "start"  ? bench::Workload::kStart
                     : arguments.workload == "soak"   ? bench::Workload::kSoak
                                                      : bench::Workload::kPreload;
  options.form = arguments.form == "array" ? bench::BatchForm::kArray : bench::BatchForm::kLines;
  options.flows = arguments.flows == "on";
  const long usual = options.workload == bench::Workload::kSoak ? 600 : 60;
  options.measured = seconds(arguments.measured_seconds > 0 ? arguments.measured_seconds : usual);
  options.warm_up = seconds(arguments.warm_up_seconds);
  return options;
}

/// Runs the workload with the settings' defaults, whatever file or environment says.
int run_bench(const BenchArguments& arguments) {
  const auto defaults = config::load({});
  if (!defaults) return kExitUsage;
  return app::bench(bench_options(arguments), defaults->settings);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli{
      "Usage accounting: what was used, how often, how much, when last; counted exactly once, in your SQL database."};
  cli.name("tidemark");
  cli.set_version_flag("--version", std::string("tidemark ") + kVersion);
  cli.require_subcommand(1);
  cli.failure_message(usage_problem);
  cli.footer(
      "Examples:\n"
      "  tidemark serve\n"
      "  tidemark serve --database postgres://tidemark@localhost/usage\n"
      "  tidemark send events.ndjson\n"
      "  tidemark totals\n"
      "`tidemark COMMAND --help` tells more.");

  std::string config_file;
  const auto takes_settings = [&](CLI::App* command) {
    command->add_option("--config", config_file, "settings file; ./tidemark.yaml if it exists")->type_name("FILE");
    command->allow_extras();
  };

  CLI::App* serve_command = cli.add_subcommand("serve", "Takes events over HTTP and keeps the totals in SQL");
  takes_settings(serve_command);
  serve_command->footer(
      "Examples:\n"
      "  tidemark serve --listen 0.0.0.0:8080 --data /var/lib/tidemark\n"
      "  tidemark serve --database mysql://tidemark@db.example/usage --database-password-file /run/secrets/db\n\n" +
      settings_help());

  std::string server = environment_or("TIDEMARK_SERVER", "http://127.0.0.1:8080");
  std::string token = environment_or("TIDEMARK_TOKEN", "");
  bool json = false;
  const auto takes_server = [&](CLI::App* command) {
    command->add_option("--server", server, "the server; also TIDEMARK_SERVER")
        ->type_name("URL")
        ->capture_default_str();
    command->add_option("--token", token, "bearer token; also TIDEMARK_TOKEN")->type_name("TOKEN");
    command->add_flag("--json", json, "print the result as JSON");
  };

  std::string events_file;
  CLI::App* send_command = cli.add_subcommand("send", "Sends events, one JSON object a line");
  send_command->add_option("FILE", events_file, "file of events; - is standard input")->required();
  takes_server(send_command);
  send_command->footer(
      "Repeating is safe: what was counted already is answered `duplicate`.\n"
      "Exit code 1 if any event was in conflict, too late or invalid.\n\n"
      "Examples:\n"
      "  tidemark send events.ndjson\n"
      "  zcat old/*.gz | tidemark send --server http://usage.example:8080 -");

  CLI::App* import_command = cli.add_subcommand("import", "Sends events made from something else");
  import_command->require_subcommand(1);
  ImportGit import_git;
  CLI::App* git_command =
      import_command->add_subcommand("git", "One event for each commit and changed file of a repository");
  git_command->add_option("--repo", import_git.repository, "the repository")->type_name("PATH")->capture_default_str();
  git_command->add_option("--sample", import_git.sample, "events to send when there is no history")->type_name("FILE");
  takes_server(git_command);
  git_command->footer("Example:\n  tidemark import git --repo ~/src/project");

  TotalsQuery totals;
  std::string wait;
  CLI::App* totals_command = cli.add_subcommand("totals", "Prints the largest totals in the database");
  takes_settings(totals_command);
  totals_command->add_option("--meter", totals.meter, "only this meter")->type_name("SLUG");
  totals_command->add_option("--window", totals.window_size, "window size")
      ->check(CLI::IsMember({"TOTAL", "HOUR", "DAY", "MONTH"}))
      ->capture_default_str();
  totals_command->add_option("--limit", totals.limit, "rows for each meter")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  totals_command->add_option("--wait", wait, "wait so long for what has arrived by now to be in")
      ->type_name("DURATION");
  totals_command->add_flag("--json", totals.json, "print the result as JSON");
  totals_command->footer(
      "Examples:\n  tidemark totals --meter tokens --window DAY --limit 30\n  tidemark totals --wait 10s");

  BenchArguments bench_arguments;
  CLI::App* bench_command = add_bench_command(cli, bench_arguments);

  CLI::App* config_command = cli.add_subcommand("config", "Checks and explains settings");
  config_command->require_subcommand(1);
  std::string checked_file;
  CLI::App* check_command = config_command->add_subcommand("check", "Tells every problem of a settings file");
  check_command->add_option("FILE", checked_file, "the file; ./tidemark.yaml if it exists");
  check_command->allow_extras();
  check_command->footer("Prints the settings in force and where each comes from; exit code 2 if anything is wrong.");
  CLI::App* reference_command = config_command->add_subcommand("reference", "Prints every setting with its default");

  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = cli.exit(error);
    return code == 0 ? 0 : kExitUsage;
  }

  if (*reference_command) {
    std::cout << config::reference();
    return 0;
  }
  if (*check_command) {
    const auto loaded = load_settings(checked_file, check_command->remaining());
    if (!loaded) return kExitUsage;
    for (const config::Problem& warning : loaded->warnings) std::cerr << "warning: " << warning.to_string() << '\n';
    std::cout << config::describe(*loaded);
    return 0;
  }
  if (*bench_command) return run_bench(bench_arguments);
  if (*send_command) return send({server, token, json}, events_file);
  if (*git_command) return import({server, token, json}, import_git);

  CLI::App* command = *serve_command ? serve_command : totals_command;
  const auto loaded = load_settings(config_file, command->remaining());
  if (!loaded) return kExitUsage;
  if (*serve_command) return serve(*loaded);

  if (!wait.empty()) {
    const auto duration = parse_duration(wait);
    if (!duration) return fail_with(duration.error().with_context("--wait"));
    totals.wait = *duration;
  }
  PosixFileSystem files;
  SystemClock clock;
  auto database = open_database(loaded->settings, files);
  if (!database) return fail_with(database.error());
  auto printed = print_totals(**database, clock, totals, std::cout);
  return printed ? 0 : fail_with(printed.error());
}
