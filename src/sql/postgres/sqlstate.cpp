#include "sqlstate.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>

namespace tidemark::sql::postgres {
namespace {

struct Meaning {
  std::string_view prefix;  // A whole SQLSTATE, or its class.
  Errc code;
};

// The first that fits counts: single states stand before their class.
constexpr Meaning kMeanings[] = {
    {"08", Errc::kConnectionLost},
    {"22003", Errc::kOverflow},
    {"22", Errc::kDataRejected},
    {"23505", Errc::kConflict},
    {"23", Errc::kDataRejected},
    {"25006", Errc::kReadOnly},
    {"25P03", Errc::kConnectionLost},  // Idle in a transaction for too long.
    {"28", Errc::kUnauthenticated},
    {"3D000", Errc::kRefused},  // No such database.
    {"40003", Errc::kConnectionLost},
    {"40", Errc::kContention},
    {"42501", Errc::kForbidden},
    {"53100", Errc::kDiskFull},
    {"53", Errc::kUnavailable},
    {"54", Errc::kDataRejected},  // A row or an index entry that is too long.
    {"55P03", Errc::kContention},
    {"57014", Errc::kTimeout},
    {"57P01", Errc::kConnectionLost},
    {"57P02", Errc::kConnectionLost},
    {"57P03", Errc::kUnavailable},
    {"57P05", Errc::kConnectionLost},
    {"58", Errc::kIo},
    {"XX001", Errc::kCorrupt},
    {"XX002", Errc::kCorrupt},
};

std::string_view remedy_of(Errc code) noexcept {
  switch (code) {
    case Errc::kForbidden:
      return "; grant the rights of docs/operations/grants-postgres.sql to this role";
    case Errc::kRefused:
      return "; create the database";
    default:
      return "";
  }
}

bool is_sqlstate(std::string_view text) noexcept {
  return text.size() == 5 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isdigit(c) != 0 || (c >= 'A' && c <= 'Z');
         });
}

/// libpq has no call for the SQLSTATE of a refused connection; its verbose text reads `FATAL:  28P01: …`.
std::size_t find_sqlstate(std::string_view message) noexcept {
  for (std::size_t at = message.find(":  "); at != std::string_view::npos; at = message.find(":  ", at + 1)) {
    if (is_sqlstate(message.substr(at + 3, 5)) && message.substr(at + 8, 2) == ": ") return at + 3;
  }
  return std::string_view::npos;
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

Errc errc_of_sqlstate(std::string_view sqlstate) noexcept {
  for (const Meaning& meaning : kMeanings) {
    if (sqlstate.starts_with(meaning.prefix)) return meaning.code;
  }
  return Errc::kInternal;
}

Error refused_statement(std::string_view sqlstate, std::string_view message) {
  const Errc code = errc_of_sqlstate(sqlstate);
  std::string text = "PostgreSQL refused a statement";
  text.append(remedy_of(code)).append(": ").append(message).append(" (SQLSTATE ").append(sqlstate).append(")");
  return {code, std::move(text)};
}

Error refused_connection(std::string_view libpq_message) {
  std::string text = "cannot connect to PostgreSQL";
  const std::size_t at = find_sqlstate(libpq_message);
  if (at == std::string_view::npos) {
    while (libpq_message.ends_with('\n')) libpq_message.remove_suffix(1);
    text.append(": ").append(libpq_message);
    std::replace(text.begin(), text.end(), '\n', ' ');
    return {Errc::kUnavailable, std::move(text)};
  }
  const std::string_view sqlstate = libpq_message.substr(at, 5);
  Errc code = errc_of_sqlstate(sqlstate);
  if (code == Errc::kConnectionLost || code == Errc::kInternal) code = Errc::kUnavailable;
  text.append(remedy_of(code)).append(": ").append(first_line(libpq_message.substr(at + 7)));
  text.append(" (SQLSTATE ").append(sqlstate).append(")");
  return {code, std::move(text)};
}

}  // namespace tidemark::sql::postgres
