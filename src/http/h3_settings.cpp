#include "http/h3_settings.h"

#include "http/h3_error.h"

#include <algorithm>
#include <array>

namespace sallyport::http {

namespace {

enum Id : std::uint64_t {
  qpack_max_table_capacity = 0x1,
  max_field_section_size = 0x6,
  qpack_blocked_streams = 0x7,
  enable_connect_protocol = 0x8,
  h3_datagram = 0x33,
};

// HTTP/2's (RFC 9114 §7.2.4.1).
bool is_forbidden(std::uint64_t id) {
  return id >= 0x2 && id <= 0x5;
}

void put(std::vector<std::uint8_t>& out, std::uint64_t id, std::uint64_t value) {
  std::array<std::uint8_t, 16> pair;
  std::size_t size = put_varint(pair, id);
  size += put_varint(MutableBytes(pair).subspan(size), value);
  out.insert(out.end(), pair.begin(), pair.begin() + static_cast<std::ptrdiff_t>(size));
}

}  // namespace

std::vector<std::uint8_t> encode_settings(const H3Settings& settings) {
  std::vector<std::uint8_t> out;
  if (settings.qpack_table_capacity != 0) put(out, qpack_max_table_capacity, settings.qpack_table_capacity);
  if (settings.qpack_blocked_streams != 0) put(out, qpack_blocked_streams, settings.qpack_blocked_streams);
  if (settings.max_field_section_size != varint_max)
    put(out, max_field_section_size, settings.max_field_section_size);
  if (settings.extended_connect) put(out, enable_connect_protocol, 1);
  if (settings.datagrams) put(out, h3_datagram, 1);
  return out;
}

Result<H3Settings> parse_settings(Bytes payload) {
  H3Settings settings;
  std::vector<std::uint64_t> seen;
  while (!payload.empty()) {
    const auto id = take_varint(payload);
    const auto value = id ? take_varint(payload) : std::nullopt;
    if (!value) return h3_failure(H3Code::frame_error, "truncated SETTINGS");
    if (is_forbidden(*id))
      return h3_failure(H3Code::settings_error, "SETTINGS with an identifier reserved for HTTP/2");
    if (std::ranges::find(seen, *id) != seen.end())
      return h3_failure(H3Code::settings_error, "SETTINGS with a duplicate identifier");
    seen.push_back(*id);
    const auto flag = [&](bool& into) -> Result<> {
      if (*value > 1) return h3_failure(H3Code::settings_error, "SETTINGS value is neither 0 nor 1");
      into = *value == 1;
      return {};
    };
    Result<> fine;
    switch (*id) {
      case qpack_max_table_capacity:
        settings.qpack_table_capacity = *value;
        break;
      case max_field_section_size:
        settings.max_field_section_size = *value;
        break;
      case qpack_blocked_streams:
        settings.qpack_blocked_streams = *value;
        break;
      case enable_connect_protocol:
        fine = flag(settings.extended_connect);
        break;
      case h3_datagram:
        fine = flag(settings.datagrams);
        break;
      default:
        break;
    }
    if (!fine) return std::unexpected(std::move(fine.error()));
  }
  return settings;
}

}  // namespace sallyport::http
