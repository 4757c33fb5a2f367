#include <cstdint>
#include <string>
#include <string_view>

#include "tidemark/base/assert.hpp"
#include "tidemark/sql/statement.hpp"

// Cutting a statement at its placeholders loses no byte, and numbering them leaves none behind.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidemark::sql;
  const std::string_view statement(reinterpret_cast<const char*>(data), size);
  const auto pieces = split_at_placeholders(statement);
  std::string joined(pieces.front());
  for (std::size_t i = 1; i < pieces.size(); ++i) joined.append("?").append(pieces[i]);
  TIDEMARK_ASSERT(joined == statement);
  const std::string numbered = number_placeholders(statement);
  TIDEMARK_ASSERT(split_at_placeholders(numbered).size() == 1);
  const std::string quoted = "SELECT " + quote_identifier(statement) + ", ?";
  TIDEMARK_ASSERT(split_at_placeholders(quoted).size() == 2);
  return 0;
}
