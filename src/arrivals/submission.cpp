#include "tidemark/arrivals/submission.hpp"

namespace tidemark::arrivals {

std::string_view verdict_name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kNew:
      return "new";
    case Verdict::kDuplicate:
      return "duplicate";
    case Verdict::kConflict:
      return "conflict";
    case Verdict::kTooLate:
      return "too_late";
    case Verdict::kInvalid:
      return "invalid";
  }
  return "invalid";
}

void Submission::clear() {
  kind = log::RecordKind::kEvents;
  all_or_nothing = false;
  tenant.clear();
  items.clear();
  encoded.clear();
  outcome = {};
  verdicts.clear();
  stored = false;
}

}  // namespace tidemark::arrivals
