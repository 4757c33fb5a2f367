#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "tidemark/arrivals/arrivals.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/flow/applied_note.hpp"
#include "tidemark/flow/log_flow.hpp"

namespace tidemark::app {

/// Drops log segments that nothing needs any more, one at a time, on a thread of its own, after leaving the digest of
/// each in `DATA/digests`. Keeps the note of how far the flow has come fresh enough for the bound of the backlog.
class Housekeeping {
 public:
  Housekeeping(FileSystem& files, arrivals::Arrivals& arrivals, const flow::LogFlow& flow, flow::AppliedNote& note,
               std::string data, microseconds retention);
  ~Housekeeping();
  void start();
  void stop();
  /// Notes how far the flow has come by now. Not beside the thread: after stop().
  void note_applied();

  /// Drops at most one segment; whether it did.
  Result<bool> step();

 private:
  void run();
  bool is_note_stale() const;

  FileSystem& files_;
  arrivals::Arrivals& arrivals_;
  const flow::LogFlow& flow_;
  flow::AppliedNote& note_;
  const std::string digests_;
  const microseconds retention_;
  bool note_failing_ = false;  // Told once, not at each attempt.
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace tidemark::app
