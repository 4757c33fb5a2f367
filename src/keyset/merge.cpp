#include "merge.hpp"

namespace tidemark::keyset {
namespace {

/// A few milliseconds of work: a table that waits to be written is kept waiting no longer than that.
constexpr std::uint32_t kEntriesPerStep = 32'768;

}  // namespace

Merge::Merge(FileSystem& files, std::string directory, const LogId& log_id, std::uint64_t number,
             std::vector<std::shared_ptr<const Segment>> inputs, std::int64_t now, std::int64_t window)
    : files_(files),
      directory_(std::move(directory)),
      log_id_(log_id),
      number_(number),
      inputs_(std::move(inputs)),
      now_(now),
      window_(window) {}

Result<std::unique_ptr<Merge>> Merge::begin(FileSystem& files, const std::string& directory, const LogId& log_id,
                                            std::uint64_t number, std::vector<std::shared_ptr<const Segment>> inputs,
                                            std::int64_t now, std::int64_t window) {
  std::unique_ptr<Merge> merge(new Merge(files, directory, log_id, number, std::move(inputs), now, window));
  std::uint64_t most_entries = 0;
  for (const auto& input : merge->inputs_) {
    most_entries += input->footer().entries;
    merge->scans_.push_back(std::make_unique<SegmentScan>(input));
    TIDEMARK_TRY(merge->scans_.back()->advance());
  }
  TIDEMARK_TRY_ASSIGN(merge->writer_, SegmentWriter::create(files, directory, log_id, number, most_entries));
  return merge;
}

Result<void> Merge::step() {
  for (std::uint32_t i = 0; i < kEntriesPerStep && !scans_.empty(); ++i) TIDEMARK_TRY(merge_one());
  if (!scans_.empty()) return {};
  return finish();
}

/// Takes the smallest fingerprint off all inputs, and writes its newest claim.
Result<void> Merge::merge_one() {
  const Entry* least = scans_.front()->head();
  bool shared = false;
  for (std::size_t i = 1; i < scans_.size(); ++i) {
    const Entry* head = scans_[i]->head();
    if (head->before(*least)) {
      least = head;
      shared = false;
    } else if (!least->before(*head)) {
      least = head;
      shared = true;
    }
  }
  const Entry taken = *least;
  if (!is_expired(taken.arrival(), now_, window_)) TIDEMARK_TRY(writer_->add(taken));
  for (std::size_t i = 0; i < scans_.size();) {
    if (!scans_[i]->head()->is(taken.identity())) {
      ++i;
      continue;
    }
    TIDEMARK_TRY(scans_[i]->advance());
    if (scans_[i]->head() != nullptr) {
      ++i;
    } else {
      scans_.erase(scans_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (!shared) break;
  }
  return {};
}

Result<void> Merge::finish() {
  if (writer_->entries() > 0) {
    TIDEMARK_TRY_ASSIGN(const Footer footer, writer_->finish());
    TIDEMARK_TRY_ASSIGN(output_, Segment::open(files_, directory_, log_id_, number_, footer.checksum));
  }
  writer_.reset();
  return {};
}

}  // namespace tidemark::keyset
