#include "tidemark/sql/batch.hpp"

#include "tidemark/base/assert.hpp"

namespace tidemark::sql {

Batch::Cell& Batch::next() {
  TIDEMARK_ASSERT(rows_ > 0 && next_ < columns_.size());
  return columns_[next_++].emplace_back();
}

void Batch::begin_row() {
  TIDEMARK_ASSERT(rows_ == 0 || next_ == columns_.size());
  ++rows_;
  next_ = 0;
}

void Batch::add_text(std::string_view text) {
  TIDEMARK_ASSERT(text.size() < kNull);
  Cell& cell = next();
  cell.number = static_cast<__int128>(text_.size());
  cell.length = static_cast<std::uint32_t>(text.size());
  text_ += text;
}

void Batch::add_int(std::int64_t value) {
  next().number = value;
}
void Batch::add_decimal(Decimal value) {
  next().number = value.units();
}
void Batch::add_time(Timestamp value) {
  next().number = to_micros(value);
}
void Batch::add_null() {
  next().length = kNull;
}

void Batch::clear() {
  for (std::vector<Cell>& column : columns_) column.clear();
  text_.clear();
  rows_ = 0;
  next_ = 0;
}

const Batch::Cell& Batch::at(std::size_t row, std::size_t column) const {
  const Cell& cell = columns_[column][row];
  TIDEMARK_ASSERT(cell.length != kNull);
  return cell;
}

std::string_view Batch::text(std::size_t row, std::size_t column) const {
  const Cell& cell = at(row, column);
  return std::string_view(text_).substr(static_cast<std::size_t>(cell.number), cell.length);
}

std::int64_t Batch::integer(std::size_t row, std::size_t column) const {
  return static_cast<std::int64_t>(at(row, column).number);
}

Decimal Batch::decimal(std::size_t row, std::size_t column) const {
  return Decimal::from_units(at(row, column).number);
}

Timestamp Batch::time(std::size_t row, std::size_t column) const {
  return from_micros(static_cast<std::int64_t>(at(row, column).number));
}

}  // namespace tidemark::sql
