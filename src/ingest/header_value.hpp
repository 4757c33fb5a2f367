#pragma once

#include <string>
#include <string_view>

namespace tidemark::ingest {

/// Appends the text of a CloudEvents attribute that came as an HTTP header, as the HTTP protocol binding (1.0.2,
/// section 3.1.3.2) says: a quoted string is unquoted, then percent-decoded once. False if a quote isn't closed or a
/// percent sign begins no escape; whether the bytes are UTF-8 is left to the caller.
bool append_header_text(std::string& out, std::string_view value);

}  // namespace tidemark::ingest
