#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "tidemark/config/settings.hpp"

namespace tidemark::config {

/// Why a text isn't what it should be, and how to write it. Neither part shows the text.
struct Fault {
  std::string what;
  std::string remedy;
};

template <class T>
using Parsed = tl::expected<T, Fault>;

/// Parses a duration as parse_duration() of base does.
Parsed<microseconds> parse_time_span(std::string_view text);

/// Parses a size: whole bytes, or a whole number with a unit of B, KiB, MiB, GiB or TiB, such as `8 MiB`.
Parsed<std::uint64_t> parse_size(std::string_view text);
/// Writes a size in its largest whole unit.
std::string format_size(std::uint64_t bytes);

/// Parses a whole number without sign.
Parsed<std::uint64_t> parse_count(std::string_view text);

/// Parses `HOST:PORT`, an IPv6 host in brackets.
Parsed<Address> parse_address(std::string_view text);
std::string format_address(const Address& address);

/// Checks that `text` is a URL of a database that we speak.
Parsed<void> check_database_url(std::string_view text);

/// What stands in place of a secret.
inline constexpr std::string_view kHidden = "***";

/// Returns `text` fit for a message: cut, control characters and bytes that aren't UTF-8 replaced by '?'.
std::string shown(std::string_view text);

}  // namespace tidemark::config
