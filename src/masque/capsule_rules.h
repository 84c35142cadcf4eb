// What the capsule protocol asks of a message's head (RFC 9297 §3.2), for the requests that a proxy gets and
// the responses that a client gets.
#pragma once

#include "http/fields.h"

#include <optional>
#include <string_view>

namespace sallyport::masque {

/// A field that says that the body is something else than capsules; such a message is malformed.
inline std::optional<std::string_view> field_against_capsules(const http::Fields& fields) {
  for (const std::string_view name : {"content-length", "content-type", "transfer-encoding"})
    if (fields.contains(name)) return name;
  return std::nullopt;
}

}  // namespace sallyport::masque
