#include "url.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "tidemark/base/bytes.hpp"

namespace tidemark::sql::mysql {
namespace {

constexpr std::string_view kForm = "; expected mysql://USER:PASSWORD@HOST:PORT/DATABASE";

tl::unexpected<Error> malformed(std::string_view what) {
  return fail(Errc::kInvalidArgument, "the database URL can't be read: " + std::string(what) + std::string(kForm));
}

Result<std::string> decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    std::array<std::byte, 1> byte;
    if (!from_hex(text.substr(i + 1, 2), byte)) return malformed("a % isn't followed by two hexadecimal digits");
    decoded += static_cast<char>(byte[0]);
    i += 2;
  }
  if (!is_storable_text(decoded)) return malformed("a part isn't UTF-8, or holds a NUL character");
  return decoded;
}

/// Takes what stands before the first `mark` off `text`; nothing, and text as it was, where there is no mark.
std::optional<std::string_view> take_until(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + 1);
  return taken;
}

Result<void> read_credentials(std::string_view text, Url& url) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    TIDEMARK_TRY_ASSIGN(url.password, decode(text.substr(colon + 1)));
    text = text.substr(0, colon);
  }
  TIDEMARK_TRY_ASSIGN(url.user, decode(text));
  return {};
}

Result<void> read_port(std::string_view text, Url& url) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, url.port);
  if (error != std::errc() || stopped != end || url.port == 0)
    return malformed("the port isn't a number from 1 to 65535");
  return {};
}

Result<void> read_endpoint(std::string_view text, Url& url) {
  std::string_view host = text;
  std::string_view after_host;
  if (text.starts_with('[')) {  // An IPv6 address, whose colons aren't the port's.
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return malformed("a [ isn't closed");
    host = text.substr(1, close - 1);
    after_host = text.substr(close + 1);
    if (!after_host.empty() && after_host.front() != ':') return malformed("a ] isn't followed by a port");
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    after_host = text.substr(colon);
  }
  if (!after_host.empty()) TIDEMARK_TRY(read_port(after_host.substr(1), url));
  if (host.empty()) return {};
  TIDEMARK_TRY_ASSIGN(url.host, decode(host));
  return {};
}

Result<TlsMode> parse_tls_mode(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::toupper(c); });
  if (value == "DISABLED") return TlsMode::kDisabled;
  if (value == "PREFERRED") return TlsMode::kPreferred;
  if (value == "REQUIRED") return TlsMode::kRequired;
  if (value == "VERIFY_IDENTITY") return TlsMode::kVerifyIdentity;
  return malformed("ssl-mode is none of DISABLED, PREFERRED, REQUIRED, VERIFY_IDENTITY");
}

Result<void> read_parameter(std::string_view text, Url& url, bool& has_mode) {
  std::string_view value = text;
  const std::optional<std::string_view> name = take_until(value, '=');
  if (!name) return malformed("a parameter has no value");
  TIDEMARK_TRY_ASSIGN(std::string decoded, decode(value));
  if (*name == "ssl-mode") {
    TIDEMARK_TRY_ASSIGN(url.tls, parse_tls_mode(std::move(decoded)));
    has_mode = true;
    return {};
  }
  const std::array<std::pair<std::string_view, std::string*>, 5> fields{{{"socket", &url.socket},
                                                                         {"ssl-ca", &url.ca},
                                                                         {"ssl-capath", &url.ca_directory},
                                                                         {"ssl-cert", &url.certificate},
                                                                         {"ssl-key", &url.key}}};
  for (const auto& [field, target] : fields) {
    if (*name != field) continue;
    *target = std::move(decoded);
    return {};
  }
  return malformed("a parameter is none of socket, ssl-mode, ssl-ca, ssl-capath, ssl-cert, ssl-key");
}

Result<void> read_parameters(std::string_view text, Url& url) {
  bool has_mode = false;
  while (!text.empty()) {
    const std::optional<std::string_view> one = take_until(text, '&');
    TIDEMARK_TRY(read_parameter(one ? *one : text, url, has_mode));
    if (!one) break;
  }
  if (!has_mode && (!url.ca.empty() || !url.ca_directory.empty())) url.tls = TlsMode::kVerifyIdentity;
  return {};
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  if (text.starts_with("mysql://")) {
    text.remove_prefix(8);
  } else if (text.starts_with("mariadb://")) {
    text.remove_prefix(10);
  } else {
    return malformed("it begins neither with mysql:// nor with mariadb://");
  }
  Url url;
  std::string_view parameters;
  if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    parameters = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    if (text.find('/', slash + 1) != std::string_view::npos) return malformed("the database's name holds a /");
    TIDEMARK_TRY_ASSIGN(url.database, decode(text.substr(slash + 1)));
    text = text.substr(0, slash);
  }
  // The last @ is the host's: people forget to encode those in passwords.
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    TIDEMARK_TRY(read_credentials(text.substr(0, at), url));
    text = text.substr(at + 1);
  }
  TIDEMARK_TRY(read_endpoint(text, url));
  TIDEMARK_TRY(read_parameters(parameters, url));
  return url;
}

}  // namespace tidemark::sql::mysql
