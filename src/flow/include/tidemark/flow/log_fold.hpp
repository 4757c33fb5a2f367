#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/flow/cursor.hpp"
#include "tidemark/log/types.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::flow {

/// How carefully a page is folded.
enum class Care : std::uint8_t {
  kFast,   ///< Sums only; an overflow or a refused value fails the page as a whole.
  kExact,  ///< Event by event from the stored state, so that the event at fault is found and dead-lettered alone.
};

/// What a domain module brings to a flow over the log: it folds pages to the least that must be written, and writes it
/// within the transaction that moves the cursor. *Concurrency*: confined to the flow's thread.
class LogFold {
 public:
  virtual ~LogFold() = default;
  /// The flow's name, e.g. `totals`.
  virtual std::string_view name() const noexcept = 0;

  /// Creates or upgrades the module's own tables; can be run again after a kill at any step.
  virtual Result<void> migrate(sql::Session& session) = 0;

  /// Starts an empty page with the sticky records in force at its beginning.
  virtual Result<void> begin(const std::map<log::RecordKind, std::string>& sticky, Care care) = 0;
  /// How many items the record holds; positions within it count them. A record that holds none counts 0.
  virtual std::uint32_t item_count(const log::Record& record) const = 0;
  /// Folds the items [first, end) of a record; called in log order. Every record is shown, control records too.
  virtual void add(const log::Record& record, std::uint32_t first, std::uint32_t end) = 0;
  /// Rows that apply() would write now: the kernel ends a page that has grown past its bound.
  virtual std::size_t pending_rows() const noexcept = 0;
  /// Writes the page. The transaction is open and the cursor has moved already. Adds what can't be applied to `dead`,
  /// which the kernel writes in the same transaction. Errors kOverflow and kDataRejected make the kernel fold the page
  /// again with Care::kExact; any other error rolls back and is tried again later.
  virtual Result<void> apply(sql::Session& session, Timestamp now, std::vector<DeadLetter>& dead) = 0;
  /// The dead letter of one item, for an item that the database refuses even alone.
  virtual DeadLetter describe(const log::Record& record, std::uint32_t index) const = 0;
};

}  // namespace tidemark::flow
