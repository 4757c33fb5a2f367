#include "process_usage.hpp"

#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace tidemark::bench {
namespace {

/// The value behind `name` in a file of lines `name: value`, as text.
std::string value_in(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const auto begin = line.find_first_not_of(": \t", name.size());
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return {};
}

std::uint64_t number_in(const std::string& path, const std::string& name) {
  std::uint64_t number = 0;
  std::istringstream(value_in(path, name)) >> number;
  return number;
}

}  // namespace

std::optional<ProcessUsage> usage_of(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream file(folder + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The program's name, in parentheses, may hold spaces; user and system time are the 12th and 13th field behind it.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  if (!(fields >> user >> system)) return std::nullopt;
  ProcessUsage usage;
  usage.cpu_seconds = static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  usage.written_bytes = number_in(folder + "/io", "wchar");
  usage.disk_bytes = number_in(folder + "/io", "write_bytes");
  return usage;
}

std::uint64_t resident_bytes(int pid) {
  return number_in("/proc/" + std::to_string(pid) + "/status", "VmRSS") * 1024;
}

std::uint64_t peak_resident_bytes(int pid) {
  return number_in("/proc/" + std::to_string(pid) + "/status", "VmHWM") * 1024;
}

HostTimes host_times() {
  // `cpu user nice system idle iowait irq softirq steal …`: what follows is part of user and nice.
  constexpr int kSteal = 7;
  std::ifstream file("/proc/stat");
  std::string skipped;
  file >> skipped;
  HostTimes times;
  for (int i = 0; i <= kSteal; ++i) {
    std::uint64_t ticks = 0;
    file >> ticks;
    times.all += ticks;
    if (i == kSteal) times.stolen = ticks;
  }
  return times;
}

double steal_share(const HostTimes& before, const HostTimes& after) noexcept {
  if (after.all <= before.all || after.stolen < before.stolen) return 0;
  return static_cast<double>(after.stolen - before.stolen) / static_cast<double>(after.all - before.all);
}

std::string machine_description() {
  utsname kernel{};
  uname(&kernel);
  return value_in("/proc/cpuinfo", "model name") + ", " + std::to_string(std::thread::hardware_concurrency()) +
         " cores, " + kernel.sysname + " " + kernel.release;
}

std::string file_system_of(const std::string& path) {
  struct stat found{};
  if (stat(path.c_str(), &found) != 0) return {};
  // Lines of mountinfo: `ID PARENT MAJOR:MINOR … - TYPE SOURCE …`.
  const std::string device =
      " " + std::to_string(major(found.st_dev)) + ":" + std::to_string(minor(found.st_dev)) + " ";
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const auto type = line.find(" - ");
    if (line.find(device) == std::string::npos || type == std::string::npos) continue;
    return line.substr(type + 3, line.find(' ', type + 3) - type - 3);
  }
  return {};
}

std::string build_description() {
  return std::string(__VERSION__) + ", " + TIDEMARK_BUILD_FLAGS;
}

void pin_to_core(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

unsigned core_count() {
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace tidemark::bench
