#include <gtest/gtest.h>

#include "claim_rules.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"

namespace tidemark::keyset {
namespace {

constexpr microseconds kWindow = std::chrono::hours(24 * 32);

/// Draws claims of new, recent and old identities; lets time pass by moments, buckets and windows; releases,
/// checkpoints, merges, expires, closes and crashes, all by one seed.
class Walk {
 public:
  Walk(FileSystem& files, const std::string& directory, std::uint64_t seed)
      : random_(seed), keys_(files, options(directory)) {
    must(keys_.open());
  }

  void step() {
    must(keys_.claim(draw(), random_.below(8) == 0));
    switch (random_.below(20)) {
      case 0:
        return must(keys_.checkpoint());
      case 1:
        return must(keys_.set().expire(keys_.now()));
      case 2:
        return must(keys_.run_background());
      case 3:
        return must(keys_.check_all());
      case 4:
        return keys_.advance(microseconds(random_.below(static_cast<std::uint64_t>(kWindow.count() / 32))));
      case 5:
        return random_.below(10) == 0 ? keys_.advance(kWindow) : keys_.advance(microseconds(1));
      default:
        must(keys_.checkpoint_if_due());
        must(keys_.set().step());
    }
  }
  RuledKeySet& keys() { return keys_; }
  SeededRandom& random() { return random_; }

 private:
  static KeySetOptions options(const std::string& directory) {
    KeySetOptions options;
    options.directory = directory;
    options.window = kWindow;
    options.memory_bytes = 1 << 20;
    return options;
  }

  std::vector<ClaimRequest> draw() {
    std::vector<ClaimRequest> requests;
    for (std::uint64_t left = 1 + random_.below(300); left > 0; --left) {
      ClaimRequest request{{random_.next(), random_.next()}, random_.below(3), random_.below(20) == 0};
      if (!requests.empty() && random_.below(10) == 0) {
        request.identity = requests[random_.below(requests.size())].identity;
      } else if (!seen_.empty() && random_.below(3) == 0) {
        request.identity = seen_[random_.below(seen_.size())];
      } else {
        seen_.push_back(request.identity);
      }
      requests.push_back(request);
    }
    return requests;
  }

  SeededRandom random_;
  RuledKeySet keys_;
  std::vector<Fingerprint> seen_;
};

class KeySetModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(KeySetModel, answers_by_the_rules_and_forgets_nothing_when_power_is_lost) {
  MemoryFileSystem files;
  Walk walk(files, "keyset", GetParam());
  for (int i = 0; i < 400 && !testing::Test::HasFailure(); ++i) {
    walk.step();
    if (walk.random().below(40) == 0) {
      files.lose_unsynced(walk.random().next());
      walk.keys().close();
      must(walk.keys().open());
      must(walk.keys().check_all());
    }
  }
  must(walk.keys().check_all());
}

TEST_P(KeySetModel, answers_by_the_rules_on_a_real_disk) {
  TemporaryDirectory directory;
  PosixFileSystem files;
  Walk walk(files, directory.file("keyset"), GetParam() + 1'000);
  for (int i = 0; i < 100 && !testing::Test::HasFailure(); ++i) {
    walk.step();
    if (walk.random().below(20) == 0) must(walk.keys().open());
  }
  must(walk.keys().check_all());
}

INSTANTIATE_TEST_SUITE_P(Seeds, KeySetModel, testing::Range<std::uint64_t>(1, 7));

}  // namespace
}  // namespace tidemark::keyset
