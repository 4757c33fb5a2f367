#include "tidemark/base/error.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace tidemark {
namespace {

TEST(Error, every_code_has_a_label_of_its_own_and_a_sensible_status) {
  std::set<std::string_view> labels;
  for (int i = 0; i <= static_cast<int>(Errc::kInternal); ++i) {
    const ErrcTraits& row = traits(static_cast<Errc>(i));
    EXPECT_TRUE(labels.insert(row.label).second) << row.label;
    EXPECT_GE(row.http_status, 400) << row.label;
    EXPECT_LE(row.http_status, 504) << row.label;
    EXPECT_GE(row.grpc_code, 1) << row.label;
    EXPECT_LE(row.grpc_code, 16) << row.label;
    EXPECT_EQ(row.label.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << row.label;
  }
}

TEST(Error, what_the_caller_did_wrong_is_never_retried) {
  for (int i = 0; i <= static_cast<int>(Errc::kInternal); ++i) {
    const ErrcTraits& row = traits(static_cast<Errc>(i));
    const bool callers_fault = row.http_status < 500 && row.http_status != 429;
    EXPECT_TRUE(!callers_fault || row.retry == Retry::kNever) << row.label;
    EXPECT_TRUE(row.http_status != 503 || row.retry == Retry::kLater) << row.label;
  }
}

TEST(Error, context_goes_before_the_message_and_keeps_the_code) {
  const Error error = Error(Errc::kIo, "cannot read a").with_context("open log");
  EXPECT_EQ(error.code(), Errc::kIo);
  EXPECT_EQ(error.message(), "open log: cannot read a");
}

Result<std::unique_ptr<int>> number(bool works) {
  if (!works) return fail(Errc::kNotFound, "no number");
  return std::make_unique<int>(7);
}

Result<void> check(bool works) {
  if (!works) return fail(Errc::kConflict, "no");
  return {};
}

Result<int> sum(bool first, bool second, bool checked) {
  TIDEMARK_TRY_ASSIGN(const auto a, number(first));
  TIDEMARK_TRY_ASSIGN(auto b, number(second));
  TIDEMARK_TRY(check(checked));
  return *a + *b;
}

TEST(Result, try_passes_the_first_error_on_and_moves_values_out) {
  EXPECT_EQ(sum(true, true, true).value(), 14);
  EXPECT_EQ(sum(false, true, false).error().code(), Errc::kNotFound);
  EXPECT_EQ(sum(true, false, false).error().message(), "no number");
  EXPECT_EQ(sum(true, true, false).error().code(), Errc::kConflict);
}

Result<int> in_a_branch(bool taken) {
  if (taken) TIDEMARK_TRY(check(false));
  return 1;
}

TEST(Result, try_stands_as_one_statement) {
  EXPECT_TRUE(in_a_branch(false));
  EXPECT_FALSE(in_a_branch(true));
}

}  // namespace
}  // namespace tidemark
