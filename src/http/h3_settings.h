// SETTINGS of HTTP/3 (RFC 9114 §7.2.4, RFC 9204 §5, RFC 9220 §5, RFC 9297 §2.1.1).
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/varint.h"

#include <cstdint>
#include <vector>

namespace sallyport::http {

struct H3Settings {
  std::uint64_t max_field_section_size = varint_max;  ///< "unlimited"
  std::uint64_t qpack_table_capacity = 0;
  std::uint64_t qpack_blocked_streams = 0;
  bool extended_connect = false;
  bool datagrams = false;
  friend bool operator==(const H3Settings&, const H3Settings&) = default;
};

/// A SETTINGS frame's payload.
std::vector<std::uint8_t> encode_settings(const H3Settings& settings);
/// An Error has its H3 code. Unknown settings are ignored.
Result<H3Settings> parse_settings(Bytes payload);

}  // namespace sallyport::http
