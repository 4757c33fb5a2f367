#include "server_error.hpp"

#include <string>

namespace tidemark::sql::mysql {
namespace {

struct Meaning {
  unsigned number;
  Errc code;
};

constexpr Meaning kMeanings[] = {
    {14, Errc::kDiskFull},           // A file can't grow; so MariaDB says as well that there is no room for undo.
    {1020, Errc::kContention},       // Record has changed since it was read.
    {1021, Errc::kDiskFull},         //
    {1037, Errc::kUnavailable},      // Out of memory.
    {1038, Errc::kUnavailable},      // Out of sort memory.
    {1040, Errc::kUnavailable},      // Too many connections.
    {1041, Errc::kUnavailable},      // Out of memory.
    {1044, Errc::kForbidden},        // Access to the database denied.
    {1045, Errc::kUnauthenticated},  //
    {1048, Errc::kDataRejected},     // NULL where none may be.
    {1049, Errc::kRefused},          // No such database.
    {1053, Errc::kConnectionLost},   // Server shutdown.
    {1062, Errc::kConflict},         // Duplicate key.
    {1114, Errc::kDiskFull},         // Table is full.
    {1118, Errc::kDataRejected},     // Row too large.
    {1129, Errc::kUnavailable},      // Host is blocked after many errors.
    {1130, Errc::kUnauthenticated},  // Host isn't allowed.
    {1142, Errc::kForbidden},        // Command denied on a table.
    {1143, Errc::kForbidden},        // Command denied on a column.
    {1152, Errc::kConnectionLost},   // Aborted connection.
    {1153, Errc::kDataRejected},     // Packet larger than max_allowed_packet.
    {1159, Errc::kConnectionLost},   // Network read time-out on the server.
    {1161, Errc::kConnectionLost},   // Network write time-out on the server.
    {1203, Errc::kUnavailable},      // Too many connections of this user.
    {1205, Errc::kContention},       // Lock wait time-out: only the statement was undone.
    {1206, Errc::kUnavailable},      // The lock table is full.
    {1213, Errc::kContention},       // Deadlock: the whole transaction was undone.
    {1226, Errc::kUnavailable},      // The user's limit is reached.
    {1227, Errc::kForbidden},        // A privilege is missing.
    {1264, Errc::kOverflow},         // Out of range for its column.
    {1265, Errc::kDataRejected},     // Data truncated.
    {1290, Errc::kReadOnly},         // Runs with --read-only.
    {1292, Errc::kDataRejected},     // Incorrect datetime.
    {1300, Errc::kDataRejected},     // Invalid text.
    {1317, Errc::kTimeout},          // Killed by KILL QUERY.
    {1364, Errc::kDataRejected},     // A column without a default is missing.
    {1366, Errc::kDataRejected},     // Incorrect value.
    {1370, Errc::kForbidden},        // Command denied on a routine.
    {1406, Errc::kDataRejected},     // Too long.
    {1586, Errc::kConflict},         // Duplicate key, by name.
    {1665, Errc::kRefused},          // binlog_format = STATEMENT can't log READ COMMITTED.
    {1690, Errc::kOverflow},         // A sum is out of range.
    {1698, Errc::kUnauthenticated},  //
    {1792, Errc::kReadOnly},         // Read-only transaction.
    {1836, Errc::kReadOnly},         // Read-only mode.
    {1927, Errc::kConnectionLost},   // The connection was killed.
    {1969, Errc::kTimeout},          // MariaDB: max_statement_time.
    {2002, Errc::kUnavailable},      // No connection by socket.
    {2003, Errc::kUnavailable},      // No connection by TCP.
    {2005, Errc::kUnavailable},      // Unknown host.
    {2006, Errc::kConnectionLost},   // Server has gone away.
    {2013, Errc::kConnectionLost},   // Connection lost during a statement.
    {2020, Errc::kDataRejected},     // Packet larger than max_allowed_packet, at the client.
    {2026, Errc::kUnavailable},      // TLS.
    {2055, Errc::kConnectionLost},   // Connection lost, with the system's error.
    {3024, Errc::kTimeout},          // MySQL: max_execution_time.
    {3819, Errc::kDataRejected},     // MySQL: a CHECK.
    {4025, Errc::kDataRejected},     // MariaDB: a CHECK.
    {4031, Errc::kConnectionLost},   // MySQL: idle for too long.
};

/// Storage engines report the system's ENOSPC under many numbers.
bool tells_of_a_full_disk(std::string_view message) noexcept {
  return message.find("errno: 28") != std::string_view::npos || message.find("error 28") != std::string_view::npos ||
         message.find("errcode: 28") != std::string_view::npos || message.find("Errcode: 28") != std::string_view::npos;
}

std::string_view remedy_of(unsigned number, Errc code) noexcept {
  if (number == 1049) return "; create the database";
  if (number == 1665) return "; set binlog_format to MIXED or ROW";
  if (number == 1153 || number == 2020) return "; raise max_allowed_packet";
  if (code == Errc::kForbidden) return "; grant the rights of docs/operations/grants-mysql.sql to this user";
  return "";
}

Error error(std::string_view what, Errc code, unsigned number, std::string_view message) {
  std::string text(what);
  text.append(remedy_of(number, code)).append(": ").append(message);
  text.append(" (error ").append(std::to_string(number)).append(")");
  return {code, std::move(text)};
}

}  // namespace

Errc errc_of_number(unsigned number, std::string_view message) noexcept {
  for (const Meaning& meaning : kMeanings) {
    if (meaning.number == number) return meaning.code;
  }
  return tells_of_a_full_disk(message) ? Errc::kDiskFull : Errc::kInternal;
}

Error refused_statement(unsigned number, std::string_view message) {
  const Errc code = errc_of_number(number, message);
  return error(code == Errc::kConnectionLost ? "the connection to MySQL was lost" : "MySQL refused a statement", code,
               number, message);
}

Error refused_connection(unsigned number, std::string_view message) {
  Errc code = errc_of_number(number, message);
  if (code == Errc::kConnectionLost || code == Errc::kInternal) code = Errc::kUnavailable;
  return error("cannot connect to MySQL", code, number, message);
}

}  // namespace tidemark::sql::mysql
