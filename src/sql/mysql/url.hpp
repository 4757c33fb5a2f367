#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tidemark/base/error.hpp"

namespace tidemark::sql::mysql {

enum class TlsMode : std::uint8_t {
  kDisabled,
  kPreferred,       ///< TLS if the server has it, unverified.
  kRequired,        ///< TLS or no connection, unverified.
  kVerifyIdentity,  ///< TLS with a certificate that a known authority has signed for this host.
};

/// What a database URL says, decoded.
struct Url {
  std::string host = "127.0.0.1";
  std::uint16_t port = 3306;
  std::string user = {};
  std::optional<std::string> password = {};
  std::string database = {};
  std::string socket = {};  ///< Path of a local socket, in place of host and port.
  TlsMode tls = TlsMode::kPreferred;
  std::string ca = {};
  std::string ca_directory = {};
  std::string certificate = {};
  std::string key = {};
};

/// Parses `mysql://` and `mariadb://` URLs. An authority's certificate without `ssl-mode` means VERIFY_IDENTITY.
/// Error: kInvalidArgument, with what is wrong but never with what the URL holds, for it may hold a password.
Result<Url> parse_url(std::string_view text);

}  // namespace tidemark::sql::mysql
