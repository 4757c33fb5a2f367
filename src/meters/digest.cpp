#include <map>
#include <tuple>

#include "record_items.hpp"
#include "sampler.hpp"
#include "tidemark/base/json_text.hpp"
#include "tidemark/meters/totals.hpp"

namespace tidemark::meters {
namespace {

constexpr int kFormatVersion = 1;

/// What is kept of a set of items.
struct Count {
  std::int64_t items = 0;
  __int128 sum = 0;  // Units of Decimal.
  Fingerprint identities;

  void take(Decimal value, const std::optional<arrivals::Identity>& identity) {
    ++items;
    sum += value.units();
    if (!identity) return;
    identities.high ^= identity->fingerprint.high;
    identities.low ^= identity->fingerprint.low;
  }
};

void append_hex(std::string& out, std::uint64_t word) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[word >> shift & 15];
}

/// Digests the records of a segment with the definitions in force at each.
class Digester {
 public:
  Result<void> use_definitions(std::string_view text) {
    TIDEMARK_TRY_ASSIGN(auto definitions, decode_definitions(text));
    meters_ = MeterSet(std::move(definitions));
    return {};
  }

  Result<void> add(const log::Record& record) {
    switch (record.kind) {
      case log::RecordKind::kEvents:
        add_events(record);
        break;
      case log::RecordKind::kIncrements:
        add_increments(record);
        break;
      case log::RecordKind::kDefinitions:
        return use_definitions(as_text(record.payload));
      case log::RecordKind::kStart:
        break;
    }
    return {};
  }

  void add_damage(const log::Damage& damage) { damage_.emplace_back(damage.first, damage.end); }

  std::string json(const log::Log& log, const log::SegmentInfo& segment) const;

 private:
  using TotalKey = std::tuple<std::string, std::string, WindowSize, Timestamp>;  // Tenant, meter, window.

  void add_events(const log::Record& record);
  void add_increments(const log::Record& record);
  void count_unreadable() { ++unreadable_; }
  static void append_count(std::string& out, const Count& count);

  MeterSet meters_;
  Sampler sampler_;
  std::map<TotalKey, Count> totals_;
  std::map<std::string, Count, std::less<>> increments_;  // By tenant.
  std::vector<std::pair<log::Offset, log::Offset>> damage_;
  std::uint64_t unreadable_ = 0;
};

void Digester::add_events(const log::Record& record) {
  const auto take = [&](std::string_view tenant, std::uint32_t, const arrivals::Event& event) {
    for (const Sample& sample : sampler_.sample(meters_, event.type, event.data)) {
      if (!sample.problem.empty()) continue;
      const Definition& meter = meters_.meters()[sample.meter].definition;
      for (const WindowSize size : meter.windows) {
        const Timestamp start = window_start(size, event.time.value_or(record.arrival));
        totals_[{std::string(tenant), meter.slug, size, start}].take(sample.value, event.identity);
      }
    }
  };
  const auto all = arrivals::RecordReader(record.kind, record.payload).item_count();
  read_items<arrivals::Event>(record, 0, all, take,
                              [this](std::string_view, std::uint32_t, std::string_view) { count_unreadable(); });
}

void Digester::add_increments(const log::Record& record) {
  const auto take = [&](std::string_view tenant, std::uint32_t, const arrivals::Increment& increment) {
    if (increment.value >= 1)
      increments_[std::string(tenant)].take(Decimal::from_int(increment.value), increment.identity);
  };
  const auto all = arrivals::RecordReader(record.kind, record.payload).item_count();
  read_items<arrivals::Increment>(record, 0, all, take,
                                  [this](std::string_view, std::uint32_t, std::string_view) { count_unreadable(); });
}

void Digester::append_count(std::string& out, const Count& count) {
  out.append(R"("events":)").append(std::to_string(count.items)).append(R"(,"sum":")");
  Decimal::from_units(count.sum).append_to(out);
  out += R"(","identities":")";
  append_hex(out, count.identities.high);
  append_hex(out, count.identities.low);
  out += "\"}";
}

std::string Digester::json(const log::Log& log, const log::SegmentInfo& segment) const {
  std::string out = R"({"version":)" + std::to_string(kFormatVersion) + R"(,"log":")" + log.id().to_string() +
                    R"(","first":)" + std::to_string(segment.first) + R"(,"end":)" + std::to_string(segment.end);
  out.append(R"(,"unreadable":)").append(std::to_string(unreadable_)).append(R"(,"damage":[)");
  for (const auto& [first, end] : damage_) {
    if (out.back() != '[') out += ',';
    out.append("[").append(std::to_string(first)).append(",").append(std::to_string(end)).append("]");
  }
  out += R"(],"totals":[)";
  for (const auto& [key, count] : totals_) {
    const auto& [tenant, meter, size, start] = key;
    if (out.back() != '[') out += ',';
    out += R"({"tenant":)";
    append_json_string(out, tenant);
    out.append(R"(,"meter":")").append(meter);
    out.append(R"(","window_size":")").append(window_size_name(size));
    out.append(R"(","window_start":")").append(format_rfc3339(start)).append("\",");
    append_count(out, count);
  }
  out += R"(],"increments":[)";
  for (const auto& [tenant, count] : increments_) {
    if (out.back() != '[') out += ',';
    out += R"({"tenant":)";
    append_json_string(out, tenant);
    out += ',';
    append_count(out, count);
  }
  out += "]}";
  return out;
}

}  // namespace

Result<std::string> digest_segment(log::Log& log, const log::SegmentInfo& segment) {
  Digester digester;
  const auto reader = log.reader();
  TIDEMARK_TRY(reader->seek(segment.first));
  if (const auto found = reader->sticky().find(log::RecordKind::kDefinitions); found != reader->sticky().end()) {
    TIDEMARK_TRY(digester.use_definitions(found->second));
  }
  log::Page page;
  while (reader->position() < segment.end) {
    page.clear();
    TIDEMARK_TRY(reader->read({}, page));
    for (const log::Record& record : page.records) {
      if (record.offset < segment.end) TIDEMARK_TRY(digester.add(record));
    }
    for (const log::Damage& damage : page.damage) {
      if (damage.first < segment.end) digester.add_damage(damage);
    }
    if (page.at_end) break;
  }
  return digester.json(log, segment);
}

}  // namespace tidemark::meters
