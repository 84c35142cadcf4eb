// HTTP/2 frames by hand (RFC 9113 §4, §6), to say to a connection what nghttp2 would not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::http::test {

enum H2Type : std::uint8_t {
  h2_data = 0,
  h2_headers = 1,
  h2_priority = 2,
  h2_rst_stream = 3,
  h2_settings = 4,
  h2_push_promise = 5,
  h2_ping = 6,
  h2_goaway = 7,
  h2_window_update = 8,
  h2_continuation = 9,
  h2_priority_update = 16,
};
inline constexpr std::uint8_t end_stream = 1, ack = 1, end_headers = 4, padded = 8;

struct H2Frame {
  std::uint8_t type = 0, flags = 0;
  std::uint32_t stream = 0;
  std::string payload;
  /// The 32-bit number at `offset` of the payload: an error code, a window increment, a last stream ID.
  std::uint32_t number(std::size_t offset = 0) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
      value = value << 8 | static_cast<std::uint8_t>(payload.at(offset + i));
    return value;
  }
};

inline std::string be32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

inline std::string h2_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                            std::string_view payload = {}) {
  std::string bytes = be32(static_cast<std::uint32_t>(payload.size())).substr(1);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  return bytes + be32(stream) + std::string(payload);
}

/// Takes the whole frames off the front of `bytes`.
inline std::vector<H2Frame> take_frames(std::string& bytes) {
  std::vector<H2Frame> frames;
  while (bytes.size() >= 9) {
    const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    const std::size_t size =
        static_cast<std::size_t>(octet(0)) << 16 | static_cast<std::size_t>(octet(1)) << 8 | octet(2);
    if (bytes.size() < 9 + size) break;
    H2Frame frame{octet(3), octet(4), 0, bytes.substr(9, size)};
    for (std::size_t i = 5; i < 9; ++i) frame.stream = frame.stream << 8 | octet(i);
    frames.push_back(std::move(frame));
    bytes.erase(0, 9 + size);
  }
  return frames;
}

using H2Fields = std::vector<std::pair<std::string_view, std::string_view>>;

/// HPACK without compression: literal fields without indexing (RFC 7541 §6.2.2), each name and value under
/// 127 octets.
inline std::string hpack(const H2Fields& fields) {
  std::string bytes;
  for (const auto& [name, value] : fields) {
    bytes += '\0';
    bytes += static_cast<char>(name.size());
    bytes += name;
    bytes += static_cast<char>(value.size());
    bytes += value;
  }
  return bytes;
}

/// A string of any length (RFC 7541 §5.2), `octets` as they stand on the wire.
inline std::string hpack_string(std::string_view octets, bool huffman = false) {
  const int code = huffman ? 0x80 : 0;
  std::size_t length = octets.size();
  if (length < 0x7f) return static_cast<char>(length | static_cast<unsigned>(code)) + std::string(octets);
  std::string bytes(1, static_cast<char>(0x7f | code));
  for (length -= 0x7f; length >= 0x80; length >>= 7) bytes += static_cast<char>((length & 0x7f) | 0x80);
  bytes += static_cast<char>(length);
  return bytes + std::string(octets);
}

/// HEADERS and CONTINUATION that carry `block`, `first` octets in the first and up to 16,000 in each other
/// one.
inline std::string h2_section(std::uint8_t flags, std::uint32_t stream, std::string_view block,
                              std::size_t first = 16'000) {
  constexpr std::size_t most = 16'000;
  if (block.size() <= first) return h2_frame(h2_headers, flags | end_headers, stream, block);
  std::string bytes = h2_frame(h2_headers, flags, stream, block.substr(0, first));
  for (block.remove_prefix(first); block.size() > most; block.remove_prefix(most))
    bytes += h2_frame(h2_continuation, 0, stream, block.substr(0, most));
  return bytes + h2_frame(h2_continuation, end_headers, stream, block);
}

inline std::string h2_get(std::uint32_t stream) {
  return h2_frame(h2_headers, end_stream | end_headers, stream,
                  hpack({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}}));
}

inline const std::string h2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2_frame(h2_settings, 0, 0);

}  // namespace sallyport::http::test
