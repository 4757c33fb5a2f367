#include "manifest.hpp"

#include <algorithm>

namespace tidemark::keyset {
namespace {

constexpr std::uint64_t kManifestMagic = 0x314E414D4B444954ull;  // "TIDKMAN1"
constexpr std::uint32_t kManifestVersion = 1;

}  // namespace

std::string manifest_path(const std::string& directory) {
  return directory + "/manifest";
}

std::string encode(const Manifest& manifest) {
  std::string out;
  append_le(out, kManifestMagic);
  append_le(out, kManifestVersion);
  append_le(out, static_cast<std::uint32_t>(manifest.segments.size()));
  out.append(as_text(manifest.log_id));
  out.append(as_text(manifest.key.bytes));
  append_le(out, manifest.next_number);
  append_le(out, manifest.covered_to);
  for (const Manifest::SegmentName& segment : manifest.segments) {
    append_le(out, segment.number);
    append_le(out, segment.footer_checksum);
  }
  append_le(out, hash64(as_bytes(out)));
  return out;
}

Result<Manifest> decode_manifest(Bytes bytes, const std::string& path) {
  constexpr std::size_t kChecksumBytes = sizeof(std::uint64_t);
  if (bytes.size() < kChecksumBytes ||
      load_le<std::uint64_t>(bytes.last(kChecksumBytes).data()) != hash64(bytes.first(bytes.size() - kChecksumBytes))) {
    return fail(corrupt(path, "the manifest fails its checksum"));
  }
  ByteReader reader(bytes.first(bytes.size() - kChecksumBytes));
  if (reader.fixed<std::uint64_t>() != kManifestMagic) return fail(corrupt(path, "not a manifest of a key set"));
  if (reader.fixed<std::uint32_t>() != kManifestVersion) {
    return fail(Errc::kUnsupported,
                "the key set's manifest has a version that isn't known here; run the program that "
                "wrote it: " +
                    path);
  }
  Manifest manifest;
  const auto count = reader.fixed<std::uint32_t>();
  std::ranges::copy(reader.take(manifest.log_id.size()), manifest.log_id.begin());
  std::ranges::copy(reader.take(manifest.key.bytes.size()), manifest.key.bytes.begin());
  manifest.next_number = reader.fixed<std::uint64_t>();
  manifest.covered_to = reader.fixed<std::uint64_t>();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    const auto number = reader.fixed<std::uint64_t>();
    manifest.segments.push_back({number, reader.fixed<std::uint64_t>()});
    if (number >= manifest.next_number) reader.fail();
  }
  if (!reader.ok() || !reader.at_end()) return fail(corrupt(path, "the manifest breaks its format"));
  return manifest;
}

}  // namespace tidemark::keyset
