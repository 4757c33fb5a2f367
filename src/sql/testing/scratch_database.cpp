#include "tidemark/sql/testing/scratch_database.hpp"

#include <array>
#include <cstdlib>
#include <stdexcept>

#include "tidemark/base/bytes.hpp"
#include "tidemark/base/random.hpp"

namespace tidemark::sql::testing {

std::string server_url(const char* variable) {
  const char* url = std::getenv(variable);
  if (url == nullptr || *url == '\0') {
    throw std::runtime_error(std::string(variable) +
                             " isn't set; start the servers: eval \"$(tests/servers.sh start)\"");
  }
  return url;
}

std::string scratch_name() {
  std::array<std::byte, 8> bytes;
  SystemRandom().fill(bytes);
  return "scratch_" + to_hex(bytes);
}

}  // namespace tidemark::sql::testing
