#include "tidemark/flow/log_flow.hpp"

#include <algorithm>

#include "page.hpp"
#include "probe.hpp"
#include "retry.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/crash_point.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::flow {
namespace {

constexpr std::string_view kRefusedBoth =
    "; restore a data directory and a database that belong together, or start with an empty data directory and an "
    "empty database";

/// Commits take at most one part in this many of the time, as long as flush_interval_max and the page's bounds allow.
/// What changes often is then written once for many events.
constexpr int kGatherPerCommit = 10;

/// Errors that an item of the page may be to blame for, rather than the database.
bool blames_data(const Error& error) {
  return error.code() == Errc::kOverflow || error.code() == Errc::kDataRejected;
}

/// A stretch of the log within which an item is at fault: pages are exact and small until it is passed.
struct Isolation {
  log::Position until;
  std::size_t items = 0;  ///< Of the next page.
};

/// The one item of a page that the database refuses.
struct Poison {
  log::Position from;
  DeadLetter letter;
};

/// A transaction whose COMMIT was sent.
struct Commit {
  Cursor to;
  PageEffect effect;
};

}  // namespace

struct LogFlow::Impl {
  Impl(LogFlowOptions with, log::Log& from_log, sql::Database& to_database, LogFold& with_fold, Clock& with_clock,
       Random& random, Metrics& metrics)
      : options(with),
        log(from_log),
        database(to_database),
        fold(with_fold),
        clock(with_clock),
        key{std::string(with_fold.name()), from_log.id().to_string(), from_log.partition()},
        probe(Probe::make(metrics, key.flow, from_log, with_clock, with.noted)),
        retry(with.retry_min, with.retry_max, random),
        page(from_log, with_fold, with_clock) {}
  ~Impl() { probe->close(); }

  microseconds step(bool drain);
  Result<microseconds> advance(bool drain);

  Result<void> open_cursor();
  Result<Cursor> find_cursor();
  Result<void> migrate(sql::Session& locked, std::optional<Cursor>& found);
  Result<Cursor> find_or_insert_cursor(sql::Session& locked);
  Result<Cursor> first_cursor(sql::Session& locked) const;
  Result<log::Position> check(const Cursor& found) const;

  bool is_due(bool drain) const;
  microseconds gather_time() const;
  Result<void> commit_page();
  Result<void> write_page(const Commit& commit, std::vector<DeadLetter>& dead);
  void applied(const Commit& commit);

  microseconds failed(const Error& error);
  void isolate(const Error& error);
  void leave_transaction();

  const LogFlowOptions options;
  log::Log& log;
  sql::Database& database;
  LogFold& fold;
  Clock& clock;
  const CursorKey key;
  const std::shared_ptr<Probe> probe;

  // Confined to the thread that steps.
  Retry retry;
  PageGatherer page;
  std::unique_ptr<sql::Session> session;
  bool migrated = false;
  std::optional<Cursor> cursor;  ///< As it is in the database; nothing when that isn't known.
  log::Position position;        ///< What `cursor` says.
  std::optional<Commit> in_doubt;
  std::optional<Isolation> isolation;
  std::optional<Poison> poison;
  MonotonicTime next_attempt{};
  MonotonicTime last_commit{};
  microseconds last_commit_took{0};
  std::string last_error;
};

microseconds LogFlow::Impl::step(bool drain) {
  probe->attempted();
  const MonotonicTime now = clock.monotonic();
  if (now < next_attempt) return next_attempt - now;
  const Result<microseconds> wait = advance(drain);
  return wait ? *wait : failed(wait.error());
}

Result<microseconds> LogFlow::Impl::advance(bool drain) {
  if (!cursor) TIDEMARK_TRY(open_cursor());
  if (!page.begun()) {
    const PageBounds bounds{.items = isolation ? isolation->items : options.page_items,
                            .bytes = options.page_bytes,
                            .rows = options.page_rows};
    TIDEMARK_TRY(page.begin(position, isolation ? Care::kExact : Care::kFast, bounds));
  }
  TIDEMARK_TRY(page.read_on(gather_time()));
  if (!is_due(drain)) return options.poll_interval;
  TIDEMARK_TRY(commit_page());
  return page.at_end() ? options.poll_interval : microseconds(0);
}

/// An empty page is committed for its watermark alone.
bool LogFlow::Impl::is_due(bool drain) const {
  const MonotonicTime now = clock.monotonic();
  if (page.empty()) {
    return now - last_commit >= options.watermark_interval && page.complete_through() > cursor->complete_through;
  }
  return drain || page.full() || now - page.started() >= gather_time();
}

microseconds LogFlow::Impl::gather_time() const {
  const microseconds longest = std::max(options.flush_interval, options.flush_interval_max);
  return std::clamp(kGatherPerCommit * last_commit_took, options.flush_interval, longest);
}

Result<void> LogFlow::Impl::open_cursor() {
  Result<Cursor> found = find_cursor();
  if (!found) {
    migrated = false;  // Whatever stands there now, it isn't what was migrated.
    return fail(std::move(found).error());
  }
  TIDEMARK_TRY_ASSIGN(position, check(*found));
  cursor = std::move(*found);
  const std::optional<Commit> doubtful = std::exchange(in_doubt, std::nullopt);
  if (doubtful && doubtful->to == *cursor) {
    applied(*doubtful);  // Its reply was lost, its effect wasn't.
  } else {
    probe->opened(position, cursor->complete_through);
  }
  if (poison && poison->from != position) poison.reset();
  if (isolation && position >= isolation->until) isolation.reset();
  return {};
}

Result<Cursor> LogFlow::Impl::find_cursor() {
  std::optional<Cursor> found;
  if (!migrated) {
    TIDEMARK_TRY(database.with_migration_lock([&](sql::Session& locked) { return migrate(locked, found); }));
    migrated = true;
  }
  TIDEMARK_TRY_ASSIGN(session, database.connect());
  if (found) return std::move(*found);
  TIDEMARK_TRY_ASSIGN(found, read_cursor(*session, key));
  if (!found) return fail(Errc::kUnavailable, "the flow's cursor is gone from the database; it is looked for again");
  return std::move(*found);
}

Result<void> LogFlow::Impl::migrate(sql::Session& locked, std::optional<Cursor>& found) {
  TIDEMARK_TRY(migrate_kernel_tables(locked));
  TIDEMARK_TRY(fold.migrate(locked));
  TIDEMARK_TRY_ASSIGN(found, find_or_insert_cursor(locked));
  return {};
}

Result<Cursor> LogFlow::Impl::find_or_insert_cursor(sql::Session& locked) {
  TIDEMARK_TRY(locked.begin());
  Result<Cursor> found = [&]() -> Result<Cursor> {
    TIDEMARK_TRY_ASSIGN(std::optional<Cursor> stored, read_cursor(locked, key));
    if (stored) return std::move(*stored);
    TIDEMARK_TRY_ASSIGN(Cursor first, first_cursor(locked));
    TIDEMARK_TRY(insert_cursor(locked, key, first, clock.now()));
    TIDEMARK_TRY(locked.commit());
    return first;
  }();
  locked.rollback();
  return found;
}

Result<Cursor> LogFlow::Impl::first_cursor(sql::Session& locked) const {
  TIDEMARK_TRY_ASSIGN(const std::vector<std::string> others, foreign_logs(locked, key));
  if (!others.empty()) {
    return fail(Errc::kRefused,
                "the database holds what another log was applied to. If the data directory was lost or "
                "replaced, restore it or name an empty database; if another server uses this database, "
                "give this one a database of its own; this log: " +
                    key.log_id + ", the database's: " + others.front());
  }
  const std::optional<log::StartId> start = log.first_offset() == 0 ? log.start_at(0) : std::nullopt;
  if (!start) {
    return fail(Errc::kRefused, "the database doesn't know this log, whose oldest records are gone already" +
                                    std::string(kRefusedBoth) +
                                    "; first record: " + std::to_string(log.first_offset()));
  }
  return Cursor{position_text({}), start->to_string(), std::nullopt};
}

Result<log::Position> LogFlow::Impl::check(const Cursor& found) const {
  TIDEMARK_TRY_ASSIGN(const log::Position at, parse_position(found.position));
  const auto refuse = [&](const char* what) {
    return fail(Errc::kRefused, std::string(what) + std::string(kRefusedBoth) + "; cursor: " + found.position +
                                    ", log from: " + std::to_string(log.first_offset()) +
                                    ", log end: " + std::to_string(log.synced_end()));
  };
  if (at.offset < log.first_offset()) {
    return refuse("the database is older than the data directory: records that it lacks were trimmed from the log");
  }
  if (applied_end(at) > log.synced_end()) {
    return refuse("the data directory is older than the database, which holds more than the log does");
  }
  const std::optional<log::StartId> start = log.start_at(applied_end(at));
  if (!start || start->to_string() != found.start_id) {
    return refuse(
        "the data directory isn't the one that the database was fed from: another start of the server wrote "
        "the records before the cursor");
  }
  return at;
}

Result<void> LogFlow::Impl::commit_page() {
  const std::optional<log::StartId> start = log.start_at(applied_end(page.next()));
  if (!start) return fail(Errc::kNotFound, "the log was trimmed under the page that was read from it");
  Commit commit;
  commit.to = {position_text(page.next()), start->to_string(),
               std::max(cursor->complete_through, page.complete_through())};
  commit.effect.applied = page.next();
  commit.effect.complete_through = commit.to.complete_through;
  commit.effect.at_end = page.at_end();
  commit.effect.items = page.items();
  commit.effect.bytes = page.finished_bytes();
  commit.effect.rows = poison ? 0 : fold.pending_rows();

  std::vector<DeadLetter> dead = page.damage();
  const MonotonicTime begun = clock.monotonic();
  TIDEMARK_TRY(write_page(commit, dead));
  commit.effect.dead_letters = dead.size();
  in_doubt = commit;
  TIDEMARK_TRY(session->commit());
  TIDEMARK_CRASH_POINT("flow.after_commit");
  last_commit_took = clock.monotonic() - begun;
  probe->timed_commit(last_commit_took);
  in_doubt.reset();
  cursor = commit.to;
  position = page.next();
  applied(commit);
  return {};
}

/// All of the page's transaction but its end.
Result<void> LogFlow::Impl::write_page(const Commit& commit, std::vector<DeadLetter>& dead) {
  const Timestamp now = clock.now();
  TIDEMARK_TRY(session->begin());
  TIDEMARK_CRASH_POINT("flow.after_begin");
  TIDEMARK_TRY_ASSIGN(const bool moved, advance_cursor(*session, key, *cursor, commit.to, now));
  if (!moved) {
    return fail(Errc::kConflict,
                "somebody else moved the flow's cursor: two servers apply this log to one database; "
                "stop one of them");
  }
  TIDEMARK_CRASH_POINT("flow.after_cursor");
  if (poison) {
    dead.push_back(poison->letter);
  } else if (!page.empty()) {
    TIDEMARK_TRY(fold.apply(*session, now, dead));
  }
  TIDEMARK_CRASH_POINT("flow.after_apply");
  TIDEMARK_TRY(write_dead_letters(*session, key, dead, now));
  TIDEMARK_CRASH_POINT("flow.before_commit");
  return {};
}

void LogFlow::Impl::applied(const Commit& commit) {
  probe->committed(commit.effect);
  last_commit = clock.monotonic();
  retry.reset();
  if (!std::exchange(last_error, {}).empty()) logging::info("flow goes on", {{"flow", key.flow}});
  poison.reset();
  if (isolation && commit.effect.applied >= isolation->until) {
    isolation.reset();
  } else if (isolation) {
    isolation->items = std::min(isolation->items * 2, options.exact_page_items);
  }
  if (!page.empty()) page.drop();
}

microseconds LogFlow::Impl::failed(const Error& error) {
  // What the database answered to the page that was being written, and to nothing else.
  if (blames_data(error) && cursor && page.begun() && page.items() > 0 && !poison) {
    isolate(error);
    return microseconds(0);
  }
  leave_transaction();
  probe->failed(error);
  if (error.message() != last_error) {
    last_error = error.message();
    logging::warning("flow failed; it is tried again",
                     {{"flow", key.flow}, {"kind", traits(error.code()).label}, {"error", error}});
  }
  const microseconds wait = retry.next_wait();
  next_attempt = clock.monotonic() + wait;
  return wait;
}

void LogFlow::Impl::isolate(const Error& error) {
  const bool exact = page.care() == Care::kExact;
  if (exact && page.items() == 1 && page.full()) {
    DeadLetter letter = page.describe_last_item();
    letter.reason = error.code() == Errc::kOverflow ? "overflow" : "rejected";
    letter.detail = error.message();
    logging::warning("flow sets an item aside",
                     {{"flow", key.flow}, {"position", position_text(letter.position)}, {"error", error}});
    poison = Poison{position, std::move(letter)};
    isolation = Isolation{std::max(page.next(), isolation ? isolation->until : page.next()), 1};
  } else {
    const std::size_t items = exact ? page.items() / 2 : std::min(page.items(), options.exact_page_items);
    isolation =
        Isolation{std::max(page.next(), isolation ? isolation->until : page.next()), std::max<std::size_t>(items, 1)};
  }
  leave_transaction();
}

/// After any error: the database undoes the transaction, and what it holds is read back before anything else.
void LogFlow::Impl::leave_transaction() {
  if (session) session->rollback();
  session.reset();
  cursor.reset();
  page.drop();
}

LogFlow::LogFlow(LogFlowOptions options, log::Log& log, sql::Database& database, LogFold& fold, Clock& clock,
                 Random& random, Metrics& metrics)
    : impl_(std::make_unique<Impl>(options, log, database, fold, clock, random, metrics)) {
  TIDEMARK_ASSERT(options.page_items > 0 && options.page_bytes > 0 && options.page_rows > 0);
  TIDEMARK_ASSERT(options.exact_page_items > 0);
}

LogFlow::~LogFlow() = default;

microseconds LogFlow::step(bool drain) {
  return impl_->step(drain);
}
void LogFlow::note_stopped() {
  impl_->probe->stopped();
}
FlowStatus LogFlow::status() const {
  return impl_->probe->status();
}
log::Offset LogFlow::applied_offset() const noexcept {
  return impl_->probe->applied_offset();
}
log::Offset LogFlow::backlog_offset() const noexcept {
  return impl_->probe->backlog_offset();
}
bool LogFlow::caught_up() const noexcept {
  return applied_offset() == impl_->log.synced_end();
}

}  // namespace tidemark::flow
