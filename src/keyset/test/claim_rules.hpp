#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"
#include "tidemark/keyset/keyset.hpp"

namespace tidemark::keyset {

inline constexpr std::array<std::byte, 16> kTestLog{std::byte{1}, std::byte{2}};

/// A key set beside the rules that it follows, written down as a map, and beside the log that it is restored from.
/// Every answer is compared. Steps of the background are taken by hand.
class RuledKeySet {
 public:
  RuledKeySet(FileSystem& files, KeySetOptions options) : files_(files), options_(std::move(options)) {
    options_.background_thread = false;
  }

  /// Opens and restores; after a crash as at first.
  Result<void> open() {
    KeySetReport report;
    TIDEMARK_TRY_ASSIGN(set_, KeySet::open(files_, random_, metrics_, options_, kTestLog, report));
    EXPECT_EQ(report.covered_to, set_->covered_to());
    for (const LogRecord& record : log_) {
      if (record.offset < report.covered_to) continue;
      for (std::uint32_t i = 0; i < record.claims.size(); ++i) {
        const ClaimRequest& claim = record.claims[i];
        TIDEMARK_TRY(set_->restore(claim.identity, claim.content, {record.offset, i}, record.arrival));
      }
      TIDEMARK_TRY(set_->checkpoint_if_due(record.offset + 1));
    }
    return {};
  }
  void close() { set_.reset(); }

  /// Claims one record's worth, checks each answer, and keeps or releases what was new.
  Result<void> claim(const std::vector<ClaimRequest>& requests, bool release = false) {
    std::vector<ClaimAnswer> answers(requests.size());
    TIDEMARK_TRY(set_->claim(requests, next_offset_, now_, now_, answers));
    std::map<Fingerprint, Known> claimed_here;
    LogRecord record{next_offset_, now_, {}};
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const ClaimRequest& request = requests[i];
      const Known* known = find(request.identity);
      if (const auto here = claimed_here.find(request.identity); here != claimed_here.end()) known = &here->second;
      EXPECT_EQ(answers[i].is_new, known == nullptr) << "request " << i << " at " << to_micros(now_);
      if (answers[i].is_new != (known == nullptr)) return fail(Errc::kInternal, "a rule is broken");
      if (known != nullptr) {
        EXPECT_EQ(answers[i].owner, known->owner);
        EXPECT_EQ(answers[i].same_content, known->content == request.content);
      } else if (!request.look_up_only) {
        const OwnerPosition owner{next_offset_, static_cast<std::uint32_t>(record.claims.size())};
        EXPECT_EQ(answers[i].owner, owner);
        claimed_here[request.identity] = {request.content, owner, now_};
        record.claims.push_back(request);
      }
    }
    if (release) {
      set_->release(requests, answers);
      return {};
    }
    for (const auto& [identity, known] : claimed_here) rules_[identity] = known;
    log_.push_back(std::move(record));
    ++next_offset_;
    return {};
  }

  /// Asks for everything that was ever claimed, without claiming anything.
  Result<void> check_all() {
    std::vector<ClaimRequest> requests;
    for (const auto& [identity, known] : rules_) requests.push_back({identity, known.content, true});
    return claim(requests, true);
  }

  Result<void> checkpoint() {
    TIDEMARK_TRY(set_->checkpoint_if_due(next_offset_, true));
    TIDEMARK_TRY(set_->wait_for_checkpoint());
    EXPECT_EQ(set_->covered_to(), next_offset_);
    return {};
  }
  Result<void> checkpoint_if_due() { return set_->checkpoint_if_due(next_offset_); }
  Result<void> run_background() {
    for (bool worked = true; worked;) {
      TIDEMARK_TRY_ASSIGN(worked, set_->step());
    }
    return {};
  }
  void advance(microseconds by) { now_ += by; }
  Timestamp now() const { return now_; }
  KeySet& set() { return *set_; }
  std::uint64_t next_offset() const { return next_offset_; }
  std::size_t identities() const { return rules_.size(); }
  const Fingerprint& some_identity(SeededRandom& random) const {
    return std::next(rules_.begin(), static_cast<std::ptrdiff_t>(random.below(rules_.size())))->first;
  }

 private:
  struct Known {
    std::uint64_t content = 0;
    OwnerPosition owner;
    Timestamp arrival;
  };
  struct LogRecord {
    std::uint64_t offset = 0;
    Timestamp arrival;
    std::vector<ClaimRequest> claims;
  };

  const Known* find(const Fingerprint& identity) const {
    const auto at = rules_.find(identity);
    return at != rules_.end() && now_ - at->second.arrival < options_.window ? &at->second : nullptr;
  }

  FileSystem& files_;
  KeySetOptions options_;
  SeededRandom random_{7};
  Metrics metrics_;
  std::unique_ptr<KeySet> set_;
  std::map<Fingerprint, Known> rules_;
  std::vector<LogRecord> log_;
  std::uint64_t next_offset_ = 1;
  Timestamp now_ = from_micros(1'714'564'800'000'000);
};

}  // namespace tidemark::keyset
