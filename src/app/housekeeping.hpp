#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "tidemark/arrivals/arrivals.hpp"
#include "tidemark/base/file_system.hpp"

namespace tidemark::app {

/// Drops log segments that nothing needs any more, one at a time, on a thread of its own, after leaving the digest of
/// each in `DATA/digests`.
class Housekeeping {
 public:
  Housekeeping(FileSystem& files, arrivals::Arrivals& arrivals, std::string data, microseconds retention);
  ~Housekeeping();
  void start();
  void stop();

  /// Drops at most one segment; whether it did.
  Result<bool> step();

 private:
  void run();

  FileSystem& files_;
  arrivals::Arrivals& arrivals_;
  const std::string digests_;
  const microseconds retention_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace tidemark::app
