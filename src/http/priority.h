// The value of the Priority field and of PRIORITY_UPDATE frames (RFC 9218 §4, a Dictionary of RFC 9651).
#pragma once

#include "http/message.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::http {

/// Octets of a value in PRIORITY_UPDATE; who sends more means us no good.
inline constexpr std::size_t max_priority_value = 256;

/// Members that are unknown or out of range count as absent (RFC 9218 §4); nullopt when it is no dictionary
/// at all, and is to be ignored.
std::optional<Priority> parse_priority(std::string_view value);
/// "u=1, i"; only what differs from the defaults, so that the default gives "".
std::string format_priority(const Priority& priority);

}  // namespace sallyport::http
