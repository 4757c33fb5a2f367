#include "value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "tidemark/base/bytes.hpp"

namespace tidemark::config {
namespace {

constexpr std::size_t kShownBytes = 80;

struct SizeUnit {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr auto kSizeUnits = std::to_array<SizeUnit>({
    {"TiB", std::uint64_t{1} << 40U},
    {"GiB", std::uint64_t{1} << 30U},
    {"MiB", std::uint64_t{1} << 20U},
    {"KiB", std::uint64_t{1} << 10U},
    {"B", 1},
});

constexpr auto kDatabaseSchemes =
    std::to_array<std::string_view>({"sqlite:", "postgres://", "postgresql://", "mysql://", "mariadb://"});

/// Takes the digits off the front of `text`; nothing if there are none or they don't fit.
std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

tl::unexpected<Fault> fault(std::string what, std::string remedy) {
  return tl::unexpected(Fault{std::move(what), std::move(remedy)});
}

tl::unexpected<Fault> not_a_size() {
  return fault("isn't a size", "write a whole number with a unit of B, KiB, MiB, GiB or TiB, such as 8 MiB");
}

bool is_password_parameter(std::string_view name) noexcept {
  return name.find("pass") != std::string_view::npos || name.find("secret") != std::string_view::npos;
}

/// Replaces the values of parameters that hold passwords in `a=1&b=2`.
std::string redact_parameters(std::string_view parameters) {
  std::string out;
  while (true) {
    const std::string_view one = parameters.substr(0, parameters.find('&'));
    const std::size_t equals = one.find('=');
    const bool hide = equals != std::string_view::npos && is_password_parameter(one.substr(0, equals));
    out.append(hide ? one.substr(0, equals + 1) : one);
    if (hide) out.append(kHidden);
    if (one.size() == parameters.size()) return out;
    out.push_back('&');
    parameters.remove_prefix(one.size() + 1);
  }
}

}  // namespace

Parsed<microseconds> parse_time_span(std::string_view text) {
  if (const auto duration = parse_duration(text)) return *duration;
  return fault("isn't a duration", "write whole numbers with a unit of us, ms, s, m, h, d or w, such as 90s or 1h30m");
}

Parsed<std::uint64_t> parse_size(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return not_a_size();
  if (text.empty()) return *number;
  if (text.front() == ' ') text.remove_prefix(1);
  const auto unit = std::ranges::find(kSizeUnits, text, &SizeUnit::name);
  std::uint64_t bytes = 0;
  if (unit == kSizeUnits.end() || __builtin_mul_overflow(*number, unit->bytes, &bytes)) return not_a_size();
  return bytes;
}

std::string format_size(std::uint64_t bytes) {
  if (bytes == 0) return "0 B";
  const auto unit = std::ranges::find_if(kSizeUnits, [bytes](const SizeUnit& u) { return bytes % u.bytes == 0; });
  return std::to_string(bytes / unit->bytes).append(" ").append(unit->name);
}

Parsed<std::uint64_t> parse_count(std::string_view text) {
  const auto number = take_number(text);
  if (!number || !text.empty()) return fault("isn't a whole number", "write digits alone");
  return *number;
}

Parsed<Address> parse_address(std::string_view text) {
  const auto bad = [] { return fault("isn't an address", "write HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"); };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  const auto port = take_number(rest);
  if (!port || !rest.empty() || *port > std::numeric_limits<std::uint16_t>::max()) return bad();
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.find_first_of("[] ") != std::string_view::npos) return bad();
  } else if (host.empty() || host.find_first_of(":[]/ @") != std::string_view::npos) {
    return bad();
  }
  return Address{std::string(host), static_cast<std::uint16_t>(*port)};
}

std::string format_address(const Address& address) {
  const bool bracket = address.host.find(':') != std::string::npos;
  const std::string host = bracket ? "[" + address.host + "]" : address.host;
  return host + ":" + std::to_string(address.port);
}

Parsed<void> check_database_url(std::string_view text) {
  const auto scheme = std::ranges::find_if(kDatabaseSchemes, [text](auto known) { return text.starts_with(known); });
  if (scheme != kDatabaseSchemes.end() && text.size() > scheme->size()) return {};
  return fault("isn't the URL of a database", "write sqlite:PATH, postgres://USER@HOST/NAME or mysql://USER@HOST/NAME");
}

std::string redact_url(std::string_view url) {
  if (url.starts_with("sqlite:")) return std::string(url);
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return url.empty() ? std::string() : std::string(kHidden);
  const std::size_t start = scheme_end + 3;
  std::string out(url.substr(0, start));
  std::string_view rest = url.substr(start);
  // Up to the last @ of all: a password may hold any character that should have been escaped. Better too much than too
  // little.
  const std::size_t colon = rest.find(':');
  const std::size_t at = rest.rfind('@');
  if (at != std::string_view::npos && colon < at) {
    out.append(rest.substr(0, colon + 1)).append(kHidden);
    rest.remove_prefix(at);
  }
  const std::size_t question = rest.find('?');
  out.append(rest.substr(0, question));
  if (question != std::string_view::npos) out.append("?").append(redact_parameters(rest.substr(question + 1)));
  return out;
}

std::string shown(std::string_view text) {
  const bool cut = text.size() > kShownBytes;
  std::size_t end = std::min(text.size(), kShownBytes);
  while (cut && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // Not within a character.
  std::string out(text.substr(0, end));
  const bool valid = is_storable_text(out);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (byte > 0x7F && !valid)) c = '?';
  }
  return cut ? out + "…" : out;
}

}  // namespace tidemark::config
