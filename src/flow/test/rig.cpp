#include "rig.hpp"

namespace tidemark::flow {
namespace {

using sql::Merge;
using sql::Type;

const sql::UpsertShape& sums_shape() {
  static const sql::UpsertShape shape{
      "sums", {{{"key", Type::kText, 255}, Merge::kKey}, {{"value", Type::kInt}, Merge::kAdd}}, ""};
  return shape;
}

std::string select_sums(const sql::Session& session) {
  return "SELECT \"key\", \"value\" FROM " + session.dialect().table("sums");
}

bool fits(__int128 number) {
  return number == static_cast<std::int64_t>(number);
}

Result<Sums> read_sums(sql::Session& session) {
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows,
                      session.query(select_sums(session), {}, std::vector{Type::kText, Type::kInt}));
  Sums sums;
  for (const sql::Row& row : rows) sums[std::get<std::string>(row[0])] = std::get<std::int64_t>(row[1]);
  return sums;
}

}  // namespace

std::string encode(const std::vector<Item>& items) {
  std::string payload;
  for (const Item& item : items) {
    append_varint(payload, item.key.size());
    payload += item.key;
    append_le(payload, item.value);
  }
  return payload;
}

std::vector<Item> decode(Bytes payload) {
  std::vector<Item> items;
  for (ByteReader in(payload); !in.at_end();) {
    Item& item = items.emplace_back();
    item.key = in.sized_text();
    item.value = in.fixed<std::int64_t>();
  }
  return items;
}

Result<void> SumFold::migrate(sql::Session& session) {
  const sql::TableShape table{"sums", {sums_shape().columns[0].column, sums_shape().columns[1].column}, {"key"}};
  TIDEMARK_TRY(session.execute(session.dialect().create_table(table)));
  return {};
}

Result<void> SumFold::begin(const std::map<log::RecordKind, std::string>& sticky, Care care) {
  care_ = care;
  items_.clear();
  keys_.clear();
  const auto definitions = sticky.find(log::RecordKind::kDefinitions);
  factor_ = definitions == sticky.end() ? 1 : std::stoll(definitions->second);
  return {};
}

std::uint32_t SumFold::item_count(const log::Record& record) const {
  return record.kind == log::RecordKind::kEvents ? static_cast<std::uint32_t>(decode(record.payload).size()) : 0;
}

void SumFold::add(const log::Record& record, std::uint32_t first, std::uint32_t end) {
  if (record.kind == log::RecordKind::kDefinitions) factor_ = std::stoll(std::string(as_text(record.payload)));
  if (record.kind != log::RecordKind::kEvents) return;
  std::vector<Item> items = decode(record.payload);
  for (std::uint32_t index = first; index < end; ++index) {
    Item& item = items[index];
    item.value *= factor_;
    keys_[item.key];
    items_.push_back({{record.offset, index}, std::move(item)});
  }
}

Result<void> SumFold::apply(sql::Session& session, Timestamp, std::vector<DeadLetter>& dead) {
  on_apply();
  page_sizes_.push_back(items_.size());
  Sums before;
  if (care_ == Care::kExact) {
    TIDEMARK_TRY_ASSIGN(before, read_sums(session));
  }
  Sums deltas;
  for (const Added& added : items_) {
    std::int64_t& delta = deltas[added.item.key];
    const __int128 sum = static_cast<__int128>(delta) + added.item.value;
    const __int128 total = before[added.item.key] + sum;
    if (fits(sum) && fits(total)) {
      delta = static_cast<std::int64_t>(sum);
    } else if (care_ == Care::kExact) {
      dead.push_back({added.position, "default", "overflow", "the sum", added.item.key});
    } else {
      return fail(Errc::kOverflow, "the page's sum");
    }
  }
  sql::Batch batch(2);
  for (const auto& [key, value] : deltas) {
    batch.begin_row();
    batch.add_text(key);
    batch.add_int(value);
  }
  TIDEMARK_TRY(session.upsert(sums_shape(), batch));
  ++applied_;
  return {};
}

DeadLetter SumFold::describe(const log::Record& record, std::uint32_t index) const {
  DeadLetter letter;
  letter.payload = decode(record.payload)[index].key;
  return letter;
}

Rig::Rig(LogFlowOptions with) : options(with) {
  log_options.directory = "log";
  restart_log();
  replace_database();
}

void Rig::restart_log() {
  flow.reset();
  log.reset();
  must(files.make_directories(log_options.directory));
  log::RecoveryReport report;
  log = must(log::Log::open(files, clock, ids, *metrics, log_options, report));
  if (faulty) open_flow();
}

void Rig::open_flow() {
  flow.reset();
  flow = std::make_unique<LogFlow>(options, *log, *faulty, fold, clock, random, *metrics);
}

void Rig::replace_database() {
  flow.reset();
  database = sql::sqlite::make_database({.path = directory.file(std::to_string(++databases) + ".db")});
  faulty = std::make_unique<sql::testing::FaultyDatabase>(*database);
  open_flow();
}

log::Offset Rig::append(const std::vector<Item>& items) {
  log::GroupBuilder group;
  group.reset(clock.now());
  group.add(log::RecordKind::kEvents, as_bytes(encode(items)));
  const log::Offset offset = log->next_offset();
  must(log->commit(group));
  return offset;
}

void Rig::define(std::int64_t factor) {
  log::GroupBuilder group;
  group.reset(clock.now());
  group.add(log::RecordKind::kDefinitions, as_bytes(std::to_string(factor)));
  must(log->commit(group));
}

void Rig::run(bool drain, int steps) {
  while (steps-- > 0 && !flow->caught_up()) clock.advance(flow->step(drain));
}

Sums Rig::sums() {
  return must(read_sums(*session()));
}

std::vector<DeadLetter> Rig::dead_letters() {
  const auto rows = must(session()->query(
      "SELECT position, event_index, tenant, reason, detail, payload "
      "FROM tidemark_dead_letters ORDER BY CAST(position AS INTEGER), event_index",
      {}, std::vector{Type::kKeyText, Type::kInt, Type::kKeyText, Type::kKeyText, Type::kLongText, Type::kLongText}));
  std::vector<DeadLetter> letters;
  for (const sql::Row& row : rows) {
    letters.push_back(
        {{std::stoull(std::get<std::string>(row[0])), static_cast<std::uint32_t>(std::get<std::int64_t>(row[1]))},
         std::get<std::string>(row[2]),
         std::get<std::string>(row[3]),
         std::get<std::string>(row[4]),
         std::get<std::string>(row[5])});
  }
  return letters;
}

std::optional<Cursor> Rig::cursor() {
  return must(read_cursor(*session(), key()));
}

}  // namespace tidemark::flow
