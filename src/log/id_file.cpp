#include "id_file.hpp"

#include <algorithm>

#include "tidemark/base/hash.hpp"

namespace tidemark::log {
namespace {

constexpr std::string_view kMagic = "tidemkid";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kCheckedFrom = 16;
constexpr std::size_t kFileBytes = 48;

std::string path_in(const std::string& directory) {
  return directory + "/" + std::string(kIdFileName);
}

}  // namespace

Result<std::optional<IdFile>> read_id_file(FileSystem& files, const std::string& directory) {
  const std::string path = path_in(directory);
  const auto contents = read_file(files, path, kFileBytes);
  if (!contents && contents.error().code() == Errc::kNotFound) return std::nullopt;
  if (!contents && contents.error().code() != Errc::kTooLarge) return fail(contents.error());
  if (!contents || contents->size() != kFileBytes || !contents->starts_with(kMagic) ||
      load_le<std::uint64_t>(contents->data() + 8) != hash64(as_bytes(*contents).subspan(kCheckedFrom))) {
    return fail(Errc::kCorrupt,
                "the log's id file is damaged; remove it and it is made again from the segments' heads: " + path);
  }
  ByteReader in(as_bytes(*contents).subspan(kCheckedFrom));
  if (in.fixed<std::uint32_t>() != kVersion) {
    return fail(Errc::kUnsupported, "the log was made by another version; use that version or newer: " + path);
  }
  IdFile id;
  id.partition = in.fixed<PartitionId>();
  std::ranges::copy(in.take(id.log.bytes.size()), id.log.bytes.begin());
  id.has_segments = in.fixed<std::uint64_t>() != 0;
  return id;
}

Result<void> write_id_file(FileSystem& files, const std::string& directory, const IdFile& contents) {
  std::string bytes(kMagic);
  append_le(bytes, std::uint64_t{0});
  append_le(bytes, kVersion);
  append_le(bytes, contents.partition);
  bytes.append(as_text(contents.log.bytes));
  append_le(bytes, std::uint64_t{contents.has_segments});
  store_le(bytes.data() + 8, hash64(as_bytes(bytes).subspan(kCheckedFrom)));
  return replace_file(files, path_in(directory), as_bytes(bytes));
}

}  // namespace tidemark::log
