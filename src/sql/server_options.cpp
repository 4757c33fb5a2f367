#include "tidemark/sql/server_options.hpp"

#include <algorithm>
#include <utility>

namespace tidemark::sql {
namespace {

constexpr std::uint64_t kMaxPasswordBytes = 4096;

}  // namespace

Result<std::optional<std::string>> choose_password(const ServerOptions& options,
                                                   std::optional<std::string> url_password, FileSystem& files) {
  if (!options.password_file.empty()) {
    auto contents = read_file(files, options.password_file, kMaxPasswordBytes);
    if (!contents) return fail(contents.error().with_context("cannot read the password file"));
    contents->resize(std::min(contents->find('\n'), contents->size()));
    if (contents->ends_with('\r')) contents->pop_back();
    return std::move(*contents);
  }
  if (url_password) return url_password;
  if (!options.password.empty()) return options.password;
  return std::nullopt;
}

}  // namespace tidemark::sql
