#include "store.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "tidemark/base/assert.hpp"
#include "tidemark/base/crash_point.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::keyset {
namespace {

constexpr std::uint64_t kManifestMaxBytes = 64u << 20;
constexpr milliseconds kDiskFullRetry{1000};
/// Past this many segments merging goes before writing tables: look-ups would ask too many filters.
constexpr std::size_t kSegmentsBeforeTables = 64;

/// Filters and fences may take 7/8 of the memory; the rest is the least that tables get.
constexpr std::uint64_t segment_share(std::uint64_t memory_bytes) {
  return memory_bytes / 8 * 7;
}
/// What filters halved so often may take with the fences: whole ones not so much that tables would be small for them.
constexpr std::uint64_t filter_room(std::uint64_t memory_bytes, unsigned halvings) {
  return halvings == 0 ? memory_bytes / 2 : segment_share(memory_bytes);
}
/// Two tables, the active and the frozen one, share what is left; 1/16 of it stays free for the filter of the next
/// segment, which is loaded while the following table grows.
constexpr std::uint64_t table_share(std::uint64_t memory_bytes, std::uint64_t segment_memory_bytes) {
  return (memory_bytes - std::min(segment_memory_bytes, segment_share(memory_bytes))) / 32 * 15;
}

}  // namespace

std::uint64_t View::claims() const noexcept {
  std::uint64_t sum = frozen ? frozen->size() : 0;
  for (const Part& part : parts) sum += part.segment->footer().entries;
  return sum;
}

std::uint64_t View::segment_memory_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const Part& part : parts) sum += part.segment->fence_bytes() + (part.filter ? part.filter->bytes() : 0);
  return sum;
}

std::uint64_t View::disk_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const Part& part : parts) sum += part.segment->footer().file_bytes();
  return sum;
}

Store::Store(FileSystem& files, Metrics& metrics, const KeySetOptions& options)
    : files_(files),
      directory_(options.directory),
      memory_bytes_(options.memory_bytes),
      window_(options.window.count()),
      bucket_width_(std::max<std::int64_t>(1, options.window.count() / options.time_buckets)),
      checkpoints_(metrics.counter("tidemark_keyset_checkpoints_total", "Tables written to disk")),
      merges_(metrics.counter("tidemark_keyset_merges_total", "Merges of segments")),
      segments_gauge_(metrics.gauge("tidemark_keyset_segments", "Segments on disk")),
      disk_gauge_(metrics.gauge("tidemark_keyset_disk_bytes", "Size of all segments")) {}

Result<std::unique_ptr<Store>> Store::open(FileSystem& files, Random& random, Metrics& metrics,
                                           const KeySetOptions& options, const LogId& log_id, KeySetReport& report) {
  std::unique_ptr<Store> store(new Store(files, metrics, options));
  TIDEMARK_TRY(files.make_directories(options.directory));
  TIDEMARK_TRY_ASSIGN(const std::vector<std::string> names, files.list(options.directory));
  TIDEMARK_TRY_ASSIGN(const bool exists, files.exists(manifest_path(options.directory)));
  if (exists) {
    TIDEMARK_TRY(store->load(log_id));
  } else if (std::ranges::any_of(names, is_segment_name)) {
    return fail(corrupt(manifest_path(options.directory), "the manifest is missing"));
  } else {
    TIDEMARK_TRY(store->create(random, log_id));
  }
  TIDEMARK_TRY(store->remove_leftovers(names));
  store->key_ = store->manifest_.key;
  store->next_number_ = store->manifest_.next_number;
  store->publish();
  for (bool loaded = true; loaded;) {
    TIDEMARK_TRY_ASSIGN(loaded, store->place_filters());
  }
  report.created = !exists;
  report.claims = store->view()->claims();
  report.covered_to = store->covered_to();
  return store;
}

Result<void> Store::create(Random& random, const LogId& log_id) {
  manifest_.log_id = log_id;
  manifest_.next_number = 1;
  random.fill(manifest_.key.bytes);
  return replace_file(files_, manifest_path(directory_), as_bytes(encode(manifest_)));
}

Result<void> Store::load(const LogId& log_id) {
  const std::string path = manifest_path(directory_);
  TIDEMARK_TRY_ASSIGN(const std::string bytes, read_file(files_, path, kManifestMaxBytes));
  TIDEMARK_TRY_ASSIGN(manifest_, decode_manifest(as_bytes(bytes), path));
  if (manifest_.log_id != log_id) {
    return fail(Errc::kRefused,
                "the key set belongs to another log; restore log and key set from one backup: " + directory_ +
                    " belongs to " + to_hex(manifest_.log_id) + ", the log is " + to_hex(log_id));
  }
  for (const Manifest::SegmentName& name : manifest_.segments) {
    TIDEMARK_TRY_ASSIGN(auto segment, Segment::open(files_, directory_, log_id, name.number, name.footer_checksum));
    parts_.insert(parts_.begin(), {std::move(segment), nullptr});
  }
  covered_to_ = manifest_.covered_to;
  return {};
}

/// A crash may leave segments that no manifest names yet or any longer, and a manifest that didn't take its place.
Result<void> Store::remove_leftovers(const std::vector<std::string>& names) {
  const std::string manifest = manifest_path(directory_);
  for (const std::string& name : names) {
    const std::string path = directory_ + "/" + name;
    const bool in_use = std::ranges::any_of(parts_, [&](const auto& part) { return part.segment->path() == path; });
    const bool is_ours = is_segment_name(name) || (path != manifest && path.starts_with(manifest + "."));
    if (is_ours && !in_use) TIDEMARK_TRY(files_.remove(path));
  }
  return {};
}

std::shared_ptr<const View> Store::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

std::optional<Error> Store::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

bool Store::has_frozen() const {
  return view()->frozen != nullptr;
}

void Store::freeze(std::shared_ptr<const Table> table, std::uint64_t covered_to) {
  {
    const std::lock_guard lock(mutex_);
    TIDEMARK_ASSERT(view_->frozen == nullptr);
    view_ = std::make_shared<const View>(View{std::move(table), view_->parts});
    frozen_covers_to_ = covered_to;
    disk_full_ = false;
    work_ = true;
  }
  changed_.notify_all();
}

Result<void> Store::wait_until_written() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return view_->frozen == nullptr || error_ || disk_full_; });
  if (error_) return fail(*error_);
  if (view_->frozen != nullptr) {
    return fail(Errc::kDiskFull, "the key set can't write its claims to disk; free some space: " + directory_);
  }
  return {};
}

void Store::expire(std::int64_t now) {
  if (now <= expired_before_) return;
  expired_before_ = now;
  if (now < next_expiry_) return;
  {
    const std::lock_guard lock(mutex_);
    work_ = true;
  }
  changed_.notify_all();
}

void Store::wait_for_work(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const auto has_work = [this] { return work_; };
  if (disk_full_) {
    changed_.wait_for(lock, stop, kDiskFullRetry, has_work);
  } else {
    changed_.wait(lock, stop, has_work);
  }
  work_ = false;
}

Result<bool> Store::step() {
  if (auto broken = error()) return fail(*std::move(broken));
  Result<bool> worked = find_work();
  const bool full = !worked && worked.error().code() == Errc::kDiskFull;
  {
    const std::lock_guard lock(mutex_);
    if (full && !disk_full_) logging::warning("no space left for the key set", {{"error", worked.error()}});
    disk_full_ = full;
    if (!worked && !full) error_ = worked.error();
  }
  if (full) worked = false;
  if (!worked || full) changed_.notify_all();
  return worked;
}

/// In this order: what frees disk, what look-ups miss most, what frees memory, what makes look-ups faster.
Result<bool> Store::find_work() {
  TIDEMARK_TRY_ASSIGN(const bool dropped, drop_expired());
  if (dropped) return true;
  TIDEMARK_TRY_ASSIGN(const bool placed, place_filters());
  if (placed) return true;
  const auto frozen = view()->frozen;
  if (frozen == nullptr || parts_.size() > kSegmentsBeforeTables) {
    TIDEMARK_TRY_ASSIGN(const bool merged, go_on_merging());
    if (merged || frozen == nullptr) return merged;
  }
  TIDEMARK_TRY(write_frozen(*frozen));
  return true;
}

Result<void> Store::write_frozen(const Table& frozen) {
  while (writing_.next_entry < frozen.entries()) TIDEMARK_TRY(write_bucket(frozen));
  std::vector<View::Part> parts(writing_.parts.rbegin(), writing_.parts.rend());
  parts.insert(parts.end(), parts_.begin(), parts_.end());
  std::uint64_t covered_to;
  {
    const std::lock_guard lock(mutex_);
    covered_to = frozen_covers_to_;
  }
  TIDEMARK_TRY(commit(parts, covered_to));
  TIDEMARK_CRASH_POINT("keyset.manifest_replaced");
  parts_ = std::move(parts);
  writing_ = {};
  merge_held_ = false;
  checkpoints_.add();
  covered_to_.store(covered_to, std::memory_order_release);
  publish(true);
  return {};
}

/// Writes the next claims as one segment: those of a bucket of time, or of several far back.
Result<void> Store::write_bucket(const Table& frozen) {
  const std::uint32_t first = writing_.next_entry;
  const std::int64_t oldest = frozen.entry(first).arrival();
  const std::int64_t newest = frozen.entry(frozen.entries() - 1).arrival();
  std::uint32_t end = first + 1;
  // Arrivals never fall, so the end is found by halving.
  for (std::uint32_t beyond = frozen.entries(); end < beyond;) {
    const std::uint32_t middle = end + (beyond - end) / 2;
    if (may_share_segment(oldest, frozen.entry(middle).arrival(), newest, bucket_width_)) {
      end = middle + 1;
    } else {
      beyond = middle;
    }
  }
  const std::uint64_t number = next_number_++;
  const std::int64_t now = expired_before_;
  TIDEMARK_TRY_ASSIGN(auto writer, SegmentWriter::create(files_, directory_, manifest_.log_id, number, end - first));
  TIDEMARK_TRY(frozen.visit_sorted(first, end, [&](const Entry& entry) -> Result<void> {
    return is_expired(entry.arrival(), now, window_) ? Result<void>() : writer->add(entry);
  }));
  if (writer->entries() > 0) {
    TIDEMARK_TRY_ASSIGN(const Footer footer, writer->finish());
    TIDEMARK_TRY_ASSIGN(auto segment, Segment::open(files_, directory_, manifest_.log_id, number, footer.checksum));
    // Small against the table, which still answers meanwhile: no look-up has to read this filter from disk.
    TIDEMARK_TRY_ASSIGN(auto filter, segment->load_filter(0));
    writing_.parts.push_back({std::move(segment), std::move(filter)});
  }
  writing_.next_entry = end;
  return {};
}

bool Store::is_expired_part(const View::Part& part) const {
  return is_expired(part.segment->footer().max_arrival, expired_before_, window_);
}

Result<bool> Store::drop_expired() {
  std::vector<View::Part> kept;
  std::vector<std::string> dropped;
  for (const View::Part& part : parts_) {
    if (is_expired_part(part)) {
      dropped.push_back(part.segment->path());
    } else {
      kept.push_back(part);
    }
  }
  if (dropped.empty()) return false;
  TIDEMARK_TRY(commit(kept, covered_to_));
  if (merge_ && std::ranges::any_of(merge_->inputs(), [&](const auto& input) {
        return std::ranges::find(dropped, input->path()) != dropped.end();
      })) {
    const std::string output = merge_->output() ? merge_->output()->path() : std::string();
    merge_.reset();
    if (!output.empty()) remove_file(output);
  }
  parts_ = std::move(kept);
  merge_held_ = false;
  publish();
  for (const std::string& path : dropped) remove_file(path);
  return true;
}

/// How often each filter is to be halved, in the order of parts_; none where it has no room at all. All are halved
/// as often as makes them fit, and the newest, as far as there is room, once less.
std::vector<std::optional<unsigned>> Store::plan_halvings() const {
  const auto bytes = [this](std::size_t i, unsigned halvings) { return parts_[i].segment->filter_bytes(halvings); };
  std::uint64_t fences = 0;
  std::array<std::uint64_t, kHalvingsMax + 1> all{};
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    fences += parts_[i].segment->fence_bytes();
    for (unsigned halvings = 0; halvings <= kHalvingsMax; ++halvings) all[halvings] += bytes(i, halvings);
  }
  unsigned base = 0;
  while (base < kHalvingsMax && fences + all[base] > filter_room(memory_bytes_, base)) ++base;

  std::vector<std::optional<unsigned>> plan(parts_.size());
  std::uint64_t taken = fences;
  std::uint64_t rest = all[base];  // Of those that are still to be placed.
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    rest -= bytes(i, base);
    unsigned halvings = base > 0 ? base - 1 : base;
    // What is to be read again must have room for a while: a segment that comes or goes must not toss it about.
    const bool is_held = parts_[i].filter && parts_[i].filter->halvings() <= halvings;
    const std::uint64_t room = filter_room(memory_bytes_, halvings);
    if (taken + bytes(i, halvings) + rest > room - (is_held ? 0 : room / 16)) halvings = base;
    if (taken + bytes(i, halvings) > segment_share(memory_bytes_)) continue;
    taken += bytes(i, halvings);
    plan[i] = halvings;
  }
  return plan;
}

/// Makes filters smaller that have too much room, or loads one that has more.
Result<bool> Store::place_filters() {
  const std::vector<std::optional<unsigned>> plan = plan_halvings();
  std::optional<std::size_t> to_load;
  bool changed = false;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    auto& filter = parts_[i].filter;
    if (filter && (!plan[i] || filter->halvings() < *plan[i])) {
      filter = plan[i] ? filter->halved(*plan[i]) : nullptr;
      changed = true;
    } else if (plan[i] && !to_load && (!filter || filter->halvings() > *plan[i])) {
      to_load = i;
    }
  }
  if (!changed && to_load) {
    TIDEMARK_TRY_ASSIGN(parts_[*to_load].filter, parts_[*to_load].segment->load_filter(*plan[*to_load]));
  }
  if (changed || to_load) publish();
  return changed || to_load;
}

std::vector<SegmentExtent> Store::extents() const {
  std::vector<SegmentExtent> extents;
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    const Footer& footer = part->segment->footer();
    extents.push_back({footer.entries, footer.min_arrival, footer.max_arrival});
  }
  return extents;
}

Result<bool> Store::go_on_merging() {
  if (merge_held_) return false;
  Result<bool> worked = merge_ ? continue_merge() : begin_merge();
  if (worked || worked.error().code() != Errc::kDiskFull) return worked;
  // Merging can wait, and what it has written so far had better make room.
  logging::warning("no space left to merge the key set's segments", {{"error", worked.error()}});
  if (merge_ && !merge_->is_complete()) merge_.reset();
  merge_held_ = true;
  return false;
}

Result<bool> Store::begin_merge() {
  const auto plan = plan_merge(extents(), bucket_width_);
  if (!plan) return false;
  std::vector<std::shared_ptr<const Segment>> inputs;
  for (std::size_t i = plan->first; i < plan->end; ++i) inputs.push_back(parts_[parts_.size() - 1 - i].segment);
  TIDEMARK_TRY_ASSIGN(merge_, Merge::begin(files_, directory_, manifest_.log_id, next_number_++, std::move(inputs),
                                           expired_before_, window_));
  return true;
}

Result<bool> Store::continue_merge() {
  if (!merge_->is_complete()) TIDEMARK_TRY(merge_->step());
  if (merge_->is_complete()) TIDEMARK_TRY(commit_merge());
  return true;
}

Result<void> Store::commit_merge() {
  TIDEMARK_CRASH_POINT("keyset.merge_written");
  const auto& inputs = merge_->inputs();
  const auto is_input = [&](const View::Part& part) { return std::ranges::find(inputs, part.segment) != inputs.end(); };
  std::vector<View::Part> parts = parts_;
  const auto place = std::ranges::find_if(parts, is_input) - parts.begin();
  std::erase_if(parts, is_input);
  if (merge_->output()) parts.insert(parts.begin() + place, {merge_->output(), nullptr});
  TIDEMARK_TRY(commit(parts, covered_to_));
  TIDEMARK_CRASH_POINT("keyset.merge_committed");
  parts_ = std::move(parts);
  const auto merged = std::move(merge_);
  merges_.add();
  publish();
  for (const auto& input : merged->inputs()) remove_file(input->path());
  return {};
}

/// Makes `parts` and `covered_to` what the store consists of. After an error either state may be on disk, so files of
/// both must stay.
Result<void> Store::commit(const std::vector<View::Part>& parts, std::uint64_t covered_to) {
  Manifest next = manifest_;
  next.next_number = next_number_;
  next.covered_to = covered_to;
  next.segments.clear();
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const Footer& footer = part->segment->footer();
    next.segments.push_back({footer.number, footer.checksum});
  }
  TIDEMARK_TRY(files_.sync_directory(directory_));
  TIDEMARK_TRY(replace_file(files_, manifest_path(directory_), as_bytes(encode(next))));
  manifest_ = std::move(next);
  return {};
}

/// Shows look-ups the parts as they are now.
void Store::publish(bool drop_frozen) {
  std::int64_t first_expiry = std::numeric_limits<std::int64_t>::max();
  for (const View::Part& part : parts_) {
    const std::int64_t newest = part.segment->footer().max_arrival;
    if (newest < first_expiry - window_) first_expiry = newest + window_;
  }
  next_expiry_ = first_expiry;
  std::shared_ptr<const View> replaced;  // Freed after the lock: a table takes a while.
  {
    const std::lock_guard lock(mutex_);
    auto next = std::make_shared<const View>(View{view_ && !drop_frozen ? view_->frozen : nullptr, parts_});
    replaced = std::exchange(view_, std::move(next));
    table_max_bytes_ = table_share(memory_bytes_, view_->segment_memory_bytes());
    segments_gauge_.set(static_cast<double>(parts_.size()));
    disk_gauge_.set(static_cast<double>(view_->disk_bytes()));
  }
  changed_.notify_all();
}

void Store::remove_file(const std::string& path) {
  if (auto removed = files_.remove(path); !removed) {
    // It isn't named any longer, so it does no harm; the next open() tries again.
    logging::warning("a dropped segment of the key set could not be removed", {{"error", removed.error()}});
  }
  TIDEMARK_CRASH_POINT("keyset.segment_dropped");
}

}  // namespace tidemark::keyset
