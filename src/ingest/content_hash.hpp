#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "tidemark/base/hash.hpp"

namespace tidemark::ingest {

/// Why JSON that is well formed still can't be taken.
enum class DataFault : std::uint8_t { kNone, kTooDeep, kText, kRepeatedName };

/// Combines two hashes; the order counts.
std::uint64_t combine(std::uint64_t a, std::uint64_t b) noexcept;

/// Hashes JSON values by what they mean: members in any order, strings and names unescaped, arrays in their order,
/// numbers as they are written (1 and 1.0 differ). Reads every token, so that it also proves the value to be JSON.
/// One thread at a time.
class DataHasher {
 public:
  DataHasher(std::uint64_t seed, std::size_t depth_max) : seed_(seed), depth_max_(depth_max) {}

  /// Hashes `value` and moves past it. An error means that it isn't JSON. A fault goes to fault(), where the first
  /// stays until clear(); the hash is then void.
  error_code hash(ondemand::value& value, std::uint64_t& out);
  /// The same for an object that was opened already.
  error_code hash(ondemand::object& object, std::uint64_t& out) { return hash_object(object, 1, out); }
  std::uint64_t hash_text(std::string_view text) const noexcept { return hash64(as_bytes(text), seed_); }

  DataFault fault() const noexcept { return fault_; }
  void clear() noexcept {
    fault_ = DataFault::kNone;
    names_.clear();
  }

 private:
  error_code hash_value(ondemand::value& value, std::size_t depth, std::uint64_t& out);
  error_code hash_object(ondemand::object& object, std::size_t depth, std::uint64_t& out);
  error_code hash_array(ondemand::array& array, std::size_t depth, std::uint64_t& out);
  void set_fault(DataFault fault) noexcept {
    if (fault_ == DataFault::kNone) fault_ = fault;
  }

  const std::uint64_t seed_;
  const std::size_t depth_max_;
  std::vector<std::uint64_t> names_;  ///< Hashes of the names of the objects that are open, the innermost's last.
  DataFault fault_ = DataFault::kNone;
};

/// Whether one number stands twice in `hashes`, which may come back in another order.
bool has_repeats(std::span<std::uint64_t> hashes);

}  // namespace tidemark::ingest
