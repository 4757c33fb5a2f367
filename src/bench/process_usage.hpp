#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tidemark::bench {

/// What a process has used since it began, all threads together.
struct ProcessUsage {
  double cpu_seconds = 0;
  std::uint64_t written_bytes = 0;  ///< Handed to the file system and the network by write calls.
  std::uint64_t disk_bytes = 0;     ///< Sent to block devices.
};

/// Reads /proc/PID. Nothing when the process is gone or not ours to look at.
std::optional<ProcessUsage> usage_of(int pid);

/// The resident memory now, and the most that it has been; 0 when unknown.
std::uint64_t resident_bytes(int pid);
std::uint64_t peak_resident_bytes(int pid);

/// How the processors' time since the machine began was spent, all together, in ticks.
struct HostTimes {
  std::uint64_t all = 0;
  std::uint64_t stolen = 0;  ///< A virtual machine's host gave it to others while this machine wanted it.
};
HostTimes host_times();

/// The share of all processors' time that the host took away in between, 0 to 1.
double steal_share(const HostTimes& before, const HostTimes& after) noexcept;

/// The processor's model, the number of cores and the kernel, for the report.
std::string machine_description();

/// The type of the file system that holds `path`, as the kernel calls it; empty when unknown.
std::string file_system_of(const std::string& path);

/// The compiler and how it was told to build.
std::string build_description();

/// Confines the calling thread, and what it starts, to one core. Best effort.
void pin_to_core(unsigned core);

/// The number of cores that this process may use.
unsigned core_count();

}  // namespace tidemark::bench
