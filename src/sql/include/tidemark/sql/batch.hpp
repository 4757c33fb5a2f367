#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/sql/types.hpp"

namespace tidemark::sql {

/// Rows by column, for bulk writes: no allocation per row once warm. Text is copied into one buffer.
/// Rows are appended column by column: begin_row(), then one call per column in shape order. What is read must have
/// been written with the same type and must not be NULL.
class Batch {
 public:
  explicit Batch(std::size_t columns) : columns_(columns) {}

  void begin_row();
  void add_text(std::string_view text);  ///< kText, kKeyText, kLongText, kUuid (canonical), kBytes.
  void add_int(std::int64_t value);
  void add_decimal(Decimal value);
  void add_time(Timestamp value);
  void add_null();

  std::size_t rows() const noexcept { return rows_; }
  std::size_t bytes() const noexcept { return text_.size() + rows_ * columns_.size() * sizeof(Cell); }
  /// Empties the batch, keeping its memory.
  void clear();

  bool is_null(std::size_t row, std::size_t column) const { return columns_[column][row].length == kNull; }
  std::string_view text(std::size_t row, std::size_t column) const;
  std::int64_t integer(std::size_t row, std::size_t column) const;
  Decimal decimal(std::size_t row, std::size_t column) const;
  Timestamp time(std::size_t row, std::size_t column) const;

 private:
  struct Cell {
    __int128 number = 0;       // Integer, decimal units, microseconds, or where the text begins.
    std::uint32_t length = 0;  // Of the text, or kNull.
  };
  static constexpr std::uint32_t kNull = 0xffffffff;
  Cell& next();
  const Cell& at(std::size_t row, std::size_t column) const;

  std::vector<std::vector<Cell>> columns_;
  std::string text_;
  std::size_t rows_ = 0;
  std::size_t next_ = 0;
};

}  // namespace tidemark::sql
