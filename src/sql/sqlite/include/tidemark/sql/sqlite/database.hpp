#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"
#include "tidemark/sql/session.hpp"

/// SQLite as the SQL database: one file, one writer at a time, readers beside it (write-ahead log).
///
/// *Durability*: synchronous=FULL, so what commit() returned for survives a loss of power. *Storage*: STRICT tables
/// that compare by bytes. Decimals are INTEGER when whole and within 64 bits, else decimal text, in columns of type
/// ANY; only functions that each session registers add and compare them. Times are RFC 3339 text with exactly six
/// fractional digits, ending in Z, so that they order and compare as text. *Limits*: the file must lie on a local disk.
namespace tidemark::sql::sqlite {

struct Options {
  std::string path;  ///< Relative to the working directory of the process; made if absent, its directory is not.
  microseconds lock_timeout = seconds(5);        ///< How long a writer waits for another one: then kContention.
  microseconds statement_timeout = seconds(60);  ///< How long one call of a session may take: then kTimeout.
};

/// Reads `sqlite:PATH`. Error kInvalidArgument, also for `:memory:`, which no two sessions could share.
Result<Options> parse_url(std::string_view url);

/// Names the database; nothing is touched before the first connect(). connect() makes the file, and refuses
/// (kRefused) one whose application_id says that it belongs to another application; tables beside ours are fine.
std::unique_ptr<Database> make_database(Options options);

}  // namespace tidemark::sql::sqlite
