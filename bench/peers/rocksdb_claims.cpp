// The claims workload of `tidemark bench` on RocksDB: for each batch one MultiGet, one WriteBatch of what was missing,
// one sync. A DIRECTORY that an earlier run left is gone on with, whatever PRESENT says; with 0 SECONDS it is only
// filled. Prints one JSON object.
// Usage: rocksdb_claims DIRECTORY PRESENT SECONDS DUPLICATES BATCH MEMORY_BYTES
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace {

using Key = std::array<char, 16>;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kWriteBufferBytesMax = 16u << 20;  // The fastest of those tried.
constexpr std::size_t kFileBytes = 64u << 20;
constexpr int kCacheShardBits = 4;
constexpr std::uint64_t kClaimBytes = 36;  // On disk.

void must(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "rocksdb: %s\n", status.ToString().c_str());
  std::exit(1);
}

std::uint64_t mix(std::uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

Key key_of(std::uint64_t number) {
  const std::uint64_t parts[2] = {mix(number), mix(number ^ 0x5bf03635dcf3a2c9)};
  Key key;
  std::memcpy(key.data(), parts, sizeof(parts));
  return key;
}

rocksdb::Slice slice(const Key& key) {
  return {key.data(), key.size()};
}

rocksdb::Options options_with(std::uint64_t memory_bytes, std::uint64_t present) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.max_background_jobs = 2;
  // Two write buffers take at most half of the memory.
  options.write_buffer_size = std::min<std::uint64_t>(kWriteBufferBytesMax, memory_bytes / 4);
  options.target_file_size_base = kFileBytes;
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  // All memory within the bound: write buffers, data, and, before data, indexes and filters.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.block_cache = rocksdb::NewLRUCache(memory_bytes - 2 * options.write_buffer_size, kCacheShardBits);
  if (memory_bytes < present * kClaimBytes) {
    // A filter or an index needn't be read whole for a few keys: beyond memory twice as fast.
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = true;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

/// Content hash and owner, as the key set keeps them.
std::string value_of(std::uint64_t number) {
  std::string value(16, '\0');
  std::memcpy(value.data(), &number, sizeof(number));
  return value;
}

void preload(rocksdb::DB& db, const rocksdb::Options& options, const std::string& prefix, std::uint64_t count) {
  if (count == 0) return;
  std::vector<Key> keys(count);
  for (std::uint64_t i = 0; i < count; ++i) keys[i] = key_of(i);
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return slice(a).compare(slice(b)) < 0; });
  const std::string value = value_of(0);
  const std::size_t keys_a_file = kFileBytes / (sizeof(Key) + value.size() + 4);
  std::vector<std::string> files;
  for (std::size_t begin = 0; begin < keys.size(); begin += keys_a_file) {
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    files.push_back(prefix + std::to_string(files.size()) + ".sst");
    must(writer.Open(files.back()));
    const std::size_t end = std::min(keys.size(), begin + keys_a_file);
    for (std::size_t i = begin; i < end; ++i) must(writer.Put(slice(keys[i]), value));
    must(writer.Finish());
  }
  rocksdb::IngestExternalFileOptions ingest;
  ingest.move_files = true;
  must(db.IngestExternalFile(files, ingest));
}

/// Reads everything once, so that it is in the page cache, without pushing filters out of RocksDB's.
void warm(rocksdb::DB& db) {
  rocksdb::ReadOptions past_cache;
  past_cache.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> all(db.NewIterator(past_cache));
  for (all->SeekToFirst(); all->Valid(); all->Next()) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return std::fprintf(stderr, "rocksdb_claims DIRECTORY PRESENT SECONDS DUPLICATES BATCH MEMORY\n"), 2;
  const std::string directory = argv[1];
  const std::string noted = directory + "/identities";
  std::uint64_t present = std::strtoull(argv[2], nullptr, 10);
  if (std::ifstream file(noted); file) file >> present;
  const double seconds = std::atof(argv[3]);
  const double duplicates = std::atof(argv[4]);
  const std::size_t batch = std::strtoull(argv[5], nullptr, 10);
  const rocksdb::Options options = options_with(std::strtoull(argv[6], nullptr, 10), present);
  rocksdb::DB* opened = nullptr;
  must(rocksdb::DB::Open(options, directory, &opened));
  const std::unique_ptr<rocksdb::DB> db(opened);
  if (!std::ifstream(noted)) preload(*db, options, directory + "/preload-", present);
  if (seconds == 0) {
    std::ofstream(noted) << present;
    std::printf("{\"claims_before\":%llu}\n", static_cast<unsigned long long>(present));
    return 0;
  }
  warm(*db);

  rocksdb::WriteOptions synced;
  synced.sync = true;
  std::uint64_t next = present;
  std::uint64_t random = 1;
  std::uint64_t claims = 0;
  std::uint64_t fresh = 0;
  std::vector<std::pair<Key, std::uint64_t>> asking(batch);
  std::vector<rocksdb::Slice> slices(batch);
  std::vector<rocksdb::PinnableSlice> values(batch);
  std::vector<rocksdb::Status> statuses(batch);
  rocksdb::WriteBatch writes;
  const auto began = Steady::now();
  const std::clock_t cpu_began = std::clock();
  double elapsed = 0;
  while (elapsed < seconds) {
    const std::uint64_t known = next;
    for (std::size_t i = 0; i < batch; ++i) {
      random = mix(random);
      const bool repeats = known > 0 && static_cast<double>(random >> 40) / 16777216.0 < duplicates;
      asking[i].second = repeats ? mix(random) % known : next++;
      asking[i].first = key_of(asking[i].second);
      values[i].Reset();
    }
    // In the order of their keys, which is faster even with the sorting.
    std::sort(asking.begin(), asking.end(), [](const auto& a, const auto& b) {
      return std::memcmp(a.first.data(), b.first.data(), a.first.size()) < 0;
    });
    for (std::size_t i = 0; i < batch; ++i) slices[i] = slice(asking[i].first);
    db->MultiGet({}, db->DefaultColumnFamily(), batch, slices.data(), values.data(), statuses.data(), true);
    writes.Clear();
    for (std::size_t i = 0; i < batch; ++i) {
      if (!statuses[i].IsNotFound()) continue;
      must(writes.Put(slices[i], value_of(asking[i].second)));
      ++fresh;
    }
    must(db->Write(synced, &writes));
    claims += batch;
    elapsed = std::chrono::duration<double>(Steady::now() - began).count();
  }
  std::ofstream(noted) << next;
  std::printf(
      "{\"claims_before\":%llu,\"claims_per_second\":%.0f,\"cpu_seconds_per_million_claims\":%.3f,\"checksum_holds\":%"
      "s}\n",
      static_cast<unsigned long long>(present), static_cast<double>(claims) / elapsed,
      static_cast<double>(std::clock() - cpu_began) / CLOCKS_PER_SEC * 1e6 / static_cast<double>(claims),
      fresh == next - present ? "true" : "false");
  return 0;
}
