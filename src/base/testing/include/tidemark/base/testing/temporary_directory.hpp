#pragma once

#include <string>
#include <string_view>

namespace tidemark {

/// An empty directory on the real disk (below TMPDIR or /tmp), removed with all it holds when this dies.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// The path of `name` within.
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace tidemark
