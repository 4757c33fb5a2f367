#pragma once

#include <string>
#include <string_view>

namespace tidemark::net {

/// One gzip member that holds `bytes`.
std::string gzip(std::string_view bytes);

}  // namespace tidemark::net
