// Content-Range (RFC 9110 §14.4) as a client reads it.
#pragma once

#include "client/output.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::client {

/// No resource is larger: sums of two sizes do not overflow.
inline constexpr std::uint64_t largest_resource = std::uint64_t{1} << 62;

struct ContentRange {
  ByteRange range;
  std::optional<std::uint64_t> size;  ///< of the whole; nullopt where the server says "*"
};

/// "bytes 0-99/1234", "bytes 0-99/*"; the unit in any case (§14.1). nullopt when malformed, of another unit,
/// or without a range ("bytes */1234").
std::optional<ContentRange> parse_content_range(std::string_view value);

}  // namespace sallyport::client
