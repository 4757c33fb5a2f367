#pragma once

#include <string>
#include <vector>

#include "tidemark/config/load.hpp"

namespace tidemark::config {

/// Collects what is wrong, up to kMaxProblems; of the rest, the number.
class Problems {
 public:
  void add(Problem problem) {
    if (found_.size() < kMaxProblems) {
      found_.push_back(std::move(problem));
    } else {
      ++untold_;
    }
  }

  bool none() const noexcept { return found_.empty(); }
  std::size_t count() const noexcept { return found_.size() + untold_; }

  std::vector<Problem> take() {
    if (untold_ > 0) {
      found_.push_back({"", "", "there are " + std::to_string(untold_) + " more problems", "mend these first"});
    }
    return std::move(found_);
  }

 private:
  std::vector<Problem> found_;
  std::size_t untold_ = 0;
};

}  // namespace tidemark::config
