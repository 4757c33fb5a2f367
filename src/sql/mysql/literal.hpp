#pragma once

#include <string>
#include <string_view>

#include "tidemark/base/error.hpp"
#include "tidemark/sql/batch.hpp"
#include "tidemark/sql/types.hpp"

/// Values as they stand in SQL text and as the text protocol answers them. Literals are safe on our sessions alone,
/// whose sql_mode has NO_BACKSLASH_ESCAPES: within quotes only the quote itself is special.
namespace tidemark::sql::mysql {

/// Appends `'text'`, quotes within doubled.
void append_text_literal(std::string& out, std::string_view text);

/// Appends a parameter. Error: kDataRejected for a time outside of the years 0 to 9999.
Result<void> append_literal(std::string& out, const Value& value);

/// Appends a cell of a batch as its column wants it. Error: kDataRejected for what the server would pad or cut without
/// a word, and for times outside of the years 0 to 9999.
Result<void> append_literal(std::string& out, const Batch& batch, std::size_t row, std::size_t column,
                            const Column& declared);

/// Reads a value that isn't NULL. Error: kInternal if the text isn't of the type.
Result<Value> read_value(std::string_view text, Type type);

}  // namespace tidemark::sql::mysql
