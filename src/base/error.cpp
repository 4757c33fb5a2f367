#include "tidemark/base/error.hpp"

#include <array>

#include "tidemark/base/assert.hpp"

namespace tidemark {
namespace {

struct Row {
  Errc code;
  ErrcTraits traits;
};

// In the order of the enumeration. gRPC codes as in grpc/status.h: 1 CANCELLED, 3 INVALID_ARGUMENT,
// 4 DEADLINE_EXCEEDED, 5 NOT_FOUND, 6 ALREADY_EXISTS, 7 PERMISSION_DENIED, 8 RESOURCE_EXHAUSTED,
// 9 FAILED_PRECONDITION, 10 ABORTED, 11 OUT_OF_RANGE, 12 UNIMPLEMENTED, 13 INTERNAL, 14 UNAVAILABLE, 15 DATA_LOSS,
// 16 UNAUTHENTICATED.
constexpr auto kRows = std::to_array<Row>({
    {Errc::kInvalidArgument, {400, 3, Retry::kNever, "invalid_argument"}},
    {Errc::kUnauthenticated, {401, 16, Retry::kNever, "unauthenticated"}},
    {Errc::kForbidden, {403, 7, Retry::kNever, "forbidden"}},
    {Errc::kNotFound, {404, 5, Retry::kNever, "not_found"}},
    {Errc::kConflict, {409, 6, Retry::kNever, "conflict"}},
    {Errc::kTooLarge, {413, 11, Retry::kNever, "too_large"}},
    {Errc::kUnsupported, {415, 12, Retry::kNever, "unsupported"}},
    {Errc::kRateLimited, {429, 8, Retry::kLater, "rate_limited"}},
    {Errc::kUnavailable, {503, 14, Retry::kLater, "unavailable"}},
    {Errc::kTimeout, {504, 4, Retry::kLater, "timeout"}},
    {Errc::kConnectionLost, {503, 14, Retry::kLater, "connection_lost"}},
    {Errc::kContention, {503, 10, Retry::kLater, "contention"}},
    {Errc::kDataRejected, {422, 3, Retry::kNever, "data_rejected"}},
    {Errc::kOverflow, {422, 11, Retry::kNever, "overflow"}},
    {Errc::kReadOnly, {503, 14, Retry::kLater, "read_only"}},
    {Errc::kDiskFull, {503, 14, Retry::kLater, "disk_full"}},
    {Errc::kIo, {500, 13, Retry::kNever, "io"}},
    {Errc::kCorrupt, {500, 15, Retry::kNever, "corrupt"}},
    {Errc::kLocked, {503, 14, Retry::kLater, "locked"}},
    {Errc::kRefused, {500, 9, Retry::kNever, "refused"}},
    {Errc::kCancelled, {503, 1, Retry::kLater, "cancelled"}},
    {Errc::kInternal, {500, 13, Retry::kNever, "internal"}},
});

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].code) != i) return false;
  }
  return kRows.size() == static_cast<std::size_t>(Errc::kInternal) + 1;
}
static_assert(in_order(), "one row for each Errc, in its order");

}  // namespace

const ErrcTraits& traits(Errc code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  TIDEMARK_ASSERT(index < kRows.size());
  return kRows[index].traits;
}

Error Error::with_context(std::string_view context) const {
  std::string message(context);
  message += ": ";
  message += message_;
  return Error(code_, std::move(message));
}

}  // namespace tidemark
