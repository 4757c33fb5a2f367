#include "disk_probe.hpp"

#include <chrono>
#include <vector>

#include "tidemark/base/file_system.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::uint64_t kFileBytes = 16u << 20;
constexpr std::size_t kWriteBytes = 16u << 10;
constexpr seconds kProbed{1};

Result<LatencyHistogram> time_writes(File& file) {
  TIDEMARK_TRY(file.write_zeros(0, kFileBytes));
  TIDEMARK_TRY(file.sync());
  const std::vector<std::byte> block(kWriteBytes, std::byte{1});
  LatencyHistogram taken;
  std::uint64_t offset = 0;
  for (const auto end = Steady::now() + kProbed; Steady::now() < end; offset = (offset + kWriteBytes) % kFileBytes) {
    const auto began = Steady::now();
    TIDEMARK_TRY(file.write_at(offset, block));
    TIDEMARK_TRY(file.sync());
    taken.add(static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(Steady::now() - began).count()));
  }
  return taken;
}

}  // namespace

Result<LatencyHistogram> probe_disk(const std::string& directory) {
  PosixFileSystem files;
  const std::string path = directory + "/disk-probe";
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<File> file, files.open(path, OpenMode::kCreate));
  Result<LatencyHistogram> taken = time_writes(*file);
  TIDEMARK_TRY(files.remove(path));
  return taken;
}

}  // namespace tidemark::bench
