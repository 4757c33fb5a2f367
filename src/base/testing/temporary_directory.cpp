#include "tidemark/base/testing/temporary_directory.hpp"

#include <stdlib.h>

#include <filesystem>
#include <system_error>

#include "tidemark/base/assert.hpp"

namespace tidemark {

TemporaryDirectory::TemporaryDirectory() : path_(std::filesystem::temp_directory_path() / "tidemark-XXXXXX") {
  const char* made = ::mkdtemp(path_.data());
  TIDEMARK_ASSERT(made != nullptr);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // Something may still be writing; a left-over in /tmp fails no test.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tidemark
