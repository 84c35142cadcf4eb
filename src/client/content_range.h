// Content-Range (RFC 9110 §14.4) as a client reads it.
#pragma once

#include "client/output.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::client {

struct ContentRange {
  ByteRange range;
  std::uint64_t size = 0;
};

/// "bytes 0-99/1234"; nullopt when malformed, or when the size is unknown ("*").
std::optional<ContentRange> parse_content_range(std::string_view value);

}  // namespace sallyport::client
