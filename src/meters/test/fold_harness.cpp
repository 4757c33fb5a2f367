#include "fold_harness.hpp"

#include <algorithm>
#include <sstream>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/flow/cursor.hpp"
#include "tidemark/sql/sqlite/database.hpp"

namespace tidemark::meters {
namespace {

constexpr microseconds kMaxEventAge = std::chrono::days(31);

std::string text_of(const sql::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* decimal = std::get_if<Decimal>(&value)) return decimal->to_string();
  if (const auto* time = std::get_if<Timestamp>(&value)) return format_rfc3339(*time);
  return "NULL";
}

}  // namespace

DefinitionSource meter(std::string slug, std::string aggregation, std::string value_property,
                       std::vector<std::string> windows) {
  DefinitionSource source;
  source.slug = std::move(slug);
  source.event_type = "use";
  source.aggregation = std::move(aggregation);
  source.value_property = std::move(value_property);
  source.windows = std::move(windows);
  source.where = "test";
  return source;
}

FoldHarness::FoldHarness() : FoldHarness(nullptr) {}

FoldHarness::FoldHarness(std::unique_ptr<sql::Database> database)
    : database_(database ? std::move(database) : sql::sqlite::make_database({.path = directory_.file("totals.db")})),
      session_(must(database_->connect())),
      fold_(std::make_unique<TotalsFold>(
          kMaxEventAge, [this] { return trusted_.value_or(arrival_); }, metrics_)),
      arrival_(must(parse_rfc3339("2024-03-01T12:00:00Z"))) {
  must(flow::migrate_kernel_tables(*session_));
  must(fold_->migrate(*session_));
}

void FoldHarness::raw(log::RecordKind kind, std::string payload) {
  payloads_.push_back(std::move(payload));
  records_.push_back({records_.size(), kind, arrival_, as_bytes(payloads_.back())});
}

void FoldHarness::arrive_at(std::string_view time) {
  arrival_ = must(parse_rfc3339(time));
}

void FoldHarness::define(const std::vector<DefinitionSource>& sources) {
  std::vector<std::string> problems;
  raw(log::RecordKind::kDefinitions, encode_definitions(must(make_definitions(sources, problems))));
}

void FoldHarness::events(const std::vector<std::string>& lines, const std::string& tenant) {
  std::string payload;
  arrivals::encode_record_head(payload, tenant, static_cast<std::uint32_t>(lines.size()));
  for (const std::string& line : lines) {
    std::istringstream in(line);
    std::string time, subject, data;
    in >> time >> subject >> std::ws;
    std::getline(in, data);
    arrivals::Event event;
    if (time != "-") event.time = must(parse_rfc3339(time));
    event.id = "1";
    event.source = "test";
    event.type = "use";
    event.subject = subject;
    event.data = data;
    arrivals::encode_event(payload, event);
  }
  raw(log::RecordKind::kEvents, std::move(payload));
}

void FoldHarness::increments(const std::vector<std::string>& lines, const std::string& tenant) {
  std::string payload;
  arrivals::encode_record_head(payload, tenant, static_cast<std::uint32_t>(lines.size()));
  for (const std::string& line : lines) {
    arrivals::Increment increment;
    increment.key.fill(static_cast<std::byte>((line[0] - '0') * 0x11));
    increment.value = std::stoll(line.substr(2));
    arrivals::encode_increment(payload, increment);
  }
  raw(log::RecordKind::kIncrements, std::move(payload));
}

std::vector<std::vector<FoldHarness::Part>> FoldHarness::cut(const std::function<std::size_t()>& next_size) const {
  std::vector<std::vector<Part>> pages(1);
  std::size_t room = next_size();
  for (std::size_t record = folded_; record < records_.size(); ++record) {
    const std::uint32_t items = fold_->item_count(records_[record]);
    std::uint32_t first = 0;
    do {
      if (room == 0) {
        pages.emplace_back();
        room = next_size();
      }
      const auto end = static_cast<std::uint32_t>(std::min<std::size_t>(items, first + room));
      pages.back().push_back({record, first, end});
      room -= end - first;
      first = end;
    } while (first < items);
  }
  return pages;
}

void FoldHarness::fold(std::size_t page_items) {
  fold_in_pages([page_items] { return page_items; });
}

void FoldHarness::fold_in_pages(const std::function<std::size_t()>& next_size) {
  for (const std::vector<Part>& page : cut(next_size)) {
    fold_page(page, flow::Care::kFast);
    for (const Part& part : page) {
      const log::Record& record = records_[part.record];
      if (log::is_sticky(record.kind)) sticky_[record.kind] = as_text(record.payload);
    }
  }
  folded_ = records_.size();
}

void FoldHarness::fold_after_a_crash() {
  crash_ = true;
  fold();
}

void FoldHarness::fold_page(const std::vector<Part>& parts, flow::Care care) {
  must(fold_->begin(sticky_, care));
  for (const Part& part : parts) fold_->add(records_[part.record], part.first, part.end);
  must(session_->begin());
  std::vector<flow::DeadLetter> dead;
  const Timestamp now = arrival_ + seconds(1) + behind_;
  const auto applied = fold_->apply(*session_, now, dead);
  const bool try_exactly = !applied && care == flow::Care::kFast &&
                           (applied.error().code() == Errc::kOverflow || applied.error().code() == Errc::kDataRejected);
  if (!applied || crash_) {
    session_->rollback();
    if (!crash_ && !try_exactly) must(applied);
    crash_ = false;
    exact_pages_ += try_exactly ? 1 : 0;
    fold_page(parts, try_exactly ? flow::Care::kExact : care);
    return;
  }
  must(session_->commit());
  dead_.insert(dead_.end(), dead.begin(), dead.end());
}

std::vector<std::string> read_totals(sql::Session& session, const std::string& condition) {
  using sql::Type;
  const std::vector types{Type::kText, Type::kText, Type::kText, Type::kText, Type::kTime, Type::kDecimal, Type::kInt};
  const auto rows =
      must(session.query("SELECT meter, subject, group_values, window_size, window_start, value, events FROM " +
                             session.dialect().table("tidemark_totals_view") + " WHERE " + condition +
                             " ORDER BY tenant, meter, subject, group_values, window_size, window_start",
                         {}, types));
  std::vector<std::string> lines;
  for (const sql::Row& row : rows) {
    std::string line = text_of(row[0]) + " " + text_of(row[1]);
    if (text_of(row[2]) != "{}") line += " " + text_of(row[2]);
    line += " " + text_of(row[3]);
    if (text_of(row[3]) != "TOTAL") line += " " + text_of(row[4]);
    lines.push_back(line + " value=" + text_of(row[5]) + " events=" + text_of(row[6]));
  }
  return lines;
}

std::vector<std::string> read_counters(sql::Session& session) {
  const std::vector types{sql::Type::kKeyText, sql::Type::kUuid, sql::Type::kInt};
  std::vector<std::string> lines;
  for (const sql::Row& row : must(session.query(
           "SELECT i.tenant, i.key, i.value FROM " + session.dialect().table("increments") + " AS i ORDER BY 1, 2", {},
           types))) {
    lines.push_back(text_of(row[0]) + " " + text_of(row[1]).substr(0, 1) + " " + text_of(row[2]));
  }
  return lines;
}

std::int64_t FoldHarness::count_rows(const std::string& name) {
  return std::get<std::int64_t>(
      must(session_->query("SELECT count(*) FROM " + table(name), {}, std::vector{sql::Type::kInt}))[0][0]);
}

std::string FoldHarness::one_text(const std::string& query) {
  return text_of(must(session_->query(query, {}, std::vector{sql::Type::kText})).at(0).at(0));
}

std::vector<std::string> FoldHarness::dead() const {
  std::vector<std::string> lines;
  for (const flow::DeadLetter& dead : dead_) {
    lines.push_back(std::to_string(dead.position.offset) + "." + std::to_string(dead.position.index) + " " +
                    dead.tenant + " " + dead.reason + ": " + dead.detail);
  }
  return lines;
}

void FoldHarness::execute(const std::string& statement) {
  must(session_->begin());
  must(session_->execute(statement));
  must(session_->commit());
}

}  // namespace tidemark::meters
