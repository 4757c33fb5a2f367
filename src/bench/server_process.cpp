#include "server_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "process_usage.hpp"

namespace tidemark::bench {
namespace {

constexpr std::size_t kLogTailBytes = 2000;
constexpr std::string_view kListening = "listening on ";

std::string tail_of(const std::string& path) {
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return text.substr(text.size() - std::min(text.size(), kLogTailBytes));
}

/// Becomes the server, in a process that was forked for it.
[[noreturn]] void become(std::vector<char*>& arguments, int output, int log, bool pinned) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (pinned) pin_to_core(0);
  dup2(output, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv(arguments[0], arguments.data());
  _exit(127);
}

/// The first line that comes out of `descriptor`; what has come when it ends without one.
std::string read_line(int descriptor) {
  std::string line;
  for (char c = 0; read(descriptor, &c, 1) == 1 && c != '\n';) line.push_back(c);
  return line;
}

}  // namespace

Result<std::unique_ptr<ServerProcess>> ServerProcess::start(const std::string& program,
                                                            const std::vector<std::string>& arguments,
                                                            const std::string& log, bool pinned) {
  std::vector<std::string> texts = {program};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);

  int pipe_ends[2];
  const int log_file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_file < 0 || pipe2(pipe_ends, O_CLOEXEC) != 0)
    return fail(Errc::kIo, "the server's log can't be made: " + log);
  std::unique_ptr<ServerProcess> server(new ServerProcess);
  server->pid_ = fork();
  if (server->pid_ == 0) become(pointers, pipe_ends[1], log_file, pinned);
  close(pipe_ends[1]);
  close(log_file);
  server->output_ = pipe_ends[0];
  if (server->pid_ < 0) return fail(Errc::kUnavailable, "no process can be made for the server");
  const std::string line = read_line(server->output_);
  if (!line.starts_with(kListening)) return fail(Errc::kUnavailable, "the server didn't start:\n" + tail_of(log));
  server->url_ = line.substr(kListening.size());
  return server;
}

ServerProcess::~ServerProcess() {
  kill_now();
  if (output_ >= 0) close(output_);
}

void ServerProcess::kill_now() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

Result<void> ServerProcess::stop() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return fail(Errc::kInternal, "the server didn't end with 0");
  return {};
}

}  // namespace tidemark::bench
