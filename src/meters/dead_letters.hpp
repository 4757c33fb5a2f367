#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/flow/cursor.hpp"

namespace tidemark::meters {

/// Reasons from the closed set of flow::DeadLetter that the fold gives.
inline constexpr std::string_view kInvalidValue = "invalid_value";
inline constexpr std::string_view kOverflow = "overflow";
inline constexpr std::string_view kCorrupt = "corrupt";

/// Longer payloads and details are cut here, between two characters.
inline constexpr std::size_t kMaxPayloadBytes = 64u << 10;
inline constexpr std::size_t kMaxDetailBytes = 2000;

/// Writes the item as it could be sent again: a CloudEvent, or the body of POST /increment. Cut at kMaxPayloadBytes.
std::string event_json(const arrivals::Event& event);
std::string increment_json(const arrivals::Increment& increment);

flow::DeadLetter dead_letter(log::Position position, std::string_view tenant, std::string_view reason,
                             std::string detail, std::string payload);

/// Leaves one letter for each item, in log order: an overflow outranks an invalid value, details follow each other.
void join_letters(std::vector<flow::DeadLetter>& letters);

}  // namespace tidemark::meters
