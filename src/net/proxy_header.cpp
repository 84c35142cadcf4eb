#include "net/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::net {
namespace {

using namespace std::string_view_literals;

using Parsed = Result<std::optional<ProxyHeader>>;

std::unexpected<Error> malformed(std::string_view why) {
  return fail(ErrorKind::protocol, "the PROXY header is malformed: " + std::string(why));
}

/// Whether `bytes` may be, or become, something that begins with `signature`.
bool agrees(Bytes bytes, std::string_view signature) {
  return as_text(bytes).substr(0, signature.size()) == signature.substr(0, bytes.size());
}

// Version 1

constexpr auto v1_signature = "PROXY "sv;
constexpr std::size_t v1_longest = 107;  // with its CR and LF

/// Removes and returns what stands before the next space, or all.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<IpAddress> read_address(std::string_view word, bool v4) {
  const auto address = IpAddress::parse(word);
  if (!address || address->is_v4() != v4 || word.contains('%')) return std::nullopt;
  return address;
}

std::optional<std::uint16_t> read_port(std::string_view word) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
  if (error != std::errc() || end != word.data() + word.size() || (word.size() > 1 && word[0] == '0'))
    return std::nullopt;
  return port;
}

/// `line`: without its CR and LF.
Result<std::optional<SocketAddress>> read_v1_line(std::string_view line) {
  std::string_view rest = line.substr(v1_signature.size());
  const std::string_view family = take_word(rest);
  // What follows UNKNOWN means nothing.
  if (family == "UNKNOWN") return std::nullopt;
  if (family != "TCP4" && family != "TCP6")
    return malformed("its protocol is neither TCP4, TCP6 nor UNKNOWN");
  // A word at the end has no space behind it.
  if (std::ranges::count(rest, ' ') != 3) return malformed("it has no two addresses and two ports");
  const bool v4 = family == "TCP4";
  const auto source = read_address(take_word(rest), v4), destination = read_address(take_word(rest), v4);
  if (!source || !destination) return malformed("an address is not one of its family");
  const auto source_port = read_port(take_word(rest)), destination_port = read_port(rest);
  if (!source_port || !destination_port) return malformed("a port is no number from 0 to 65535");
  return SocketAddress(*source, *source_port);
}

Parsed parse_v1(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  const std::string_view seen = text.substr(0, v1_longest);
  const std::size_t end = seen.find_first_of("\r\n"sv);
  if (end == std::string_view::npos) {
    if (text.size() >= v1_longest) return malformed("its line does not end within 107 bytes");
    return std::nullopt;
  }
  if (seen[end] == '\n') return malformed("its line ends without CR");
  if (end + 1 == seen.size()) {
    if (seen.size() == v1_longest) return malformed("its line does not end within 107 bytes");
    return std::nullopt;
  }
  if (seen[end + 1] != '\n') return malformed("a CR in its line is not followed by LF");
  auto source = read_v1_line(text.substr(0, end));
  if (!source) return std::unexpected(std::move(source.error()));
  return ProxyHeader{.size = end + 2, .source = *source};
}

// Version 2

constexpr auto v2_signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t v2_fixed = 16;  // the signature, command, family and length
constexpr std::uint8_t tlv_crc32c = 0x03;

enum class Family : std::uint8_t { unspecified, ipv4, ipv6, unix_domain };
enum class Transport : std::uint8_t { unspecified, stream, datagram };

std::size_t number16(Bytes bytes) {
  return static_cast<std::size_t>(bytes[0]) << 8 | bytes[1];
}

/// CRC-32C (Castagnoli), of some hundred bytes once a connection.
std::uint32_t crc32c(std::uint32_t sum, Bytes bytes) {
  constexpr std::uint32_t reflected_polynomial = 0x82f63b78;
  for (const std::uint8_t byte : bytes) {
    sum ^= byte;
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ ((sum & 1) != 0 ? reflected_polynomial : 0);
  }
  return sum;
}

/// `at`: where the four bytes of the checksum are in `header`; they count as zeros.
bool checksum_fits(Bytes header, std::size_t at) {
  constexpr std::array<std::uint8_t, 4> zeros{};
  std::uint32_t sum = crc32c(0xffffffff, header.first(at));
  sum = crc32c(sum, zeros);
  sum = ~crc32c(sum, header.subspan(at + zeros.size()));
  const std::size_t said = number16(header.subspan(at)) << 16 | number16(header.subspan(at + 2));
  return sum == said;
}

/// Skips the TLVs from `at` to the end of `header`; only the checksum is looked at.
Result<> check_tlvs(Bytes header, std::size_t at) {
  constexpr std::size_t head = 3;  // type and length
  while (at < header.size()) {
    if (header.size() - at < head) return malformed("a TLV is cut off");
    const std::uint8_t type = header[at];
    const std::size_t length = number16(header.subspan(at + 1));
    at += head;
    if (header.size() - at < length) return malformed("a TLV is longer than the header");
    if (type == tlv_crc32c && (length != 4 || !checksum_fits(header, at)))
      return malformed("its checksum is wrong");
    at += length;
  }
  return {};
}

/// Source and destination address, then their ports.
std::size_t addresses_size(Family family) {
  switch (family) {
    case Family::ipv4:
      return 2 * 4 + 2 * 2;
    case Family::ipv6:
      return 2 * 16 + 2 * 2;
    case Family::unix_domain:
      return std::size_t{2} * 108;
    case Family::unspecified:
      break;
  }
  return 0;
}

Parsed parse_v2(Bytes bytes) {
  if (bytes.size() < v2_fixed) return std::nullopt;
  const std::uint8_t version = bytes[12] >> 4, command = bytes[12] & 0xf;
  if (version != 2) return malformed("its version is not 2");
  if (command > 1) return malformed("its command is neither LOCAL nor PROXY");
  const std::size_t size = v2_fixed + number16(bytes.subspan(14));
  if (size > max_proxy_header) return malformed("it is longer than 4096 bytes");
  if (bytes.size() < size) return std::nullopt;
  ProxyHeader header{.size = size, .source = std::nullopt};
  if (command == 0) return header;  // LOCAL: all else means nothing
  if (bytes[13] >> 4 > static_cast<int>(Family::unix_domain) ||
      (bytes[13] & 0xf) > static_cast<int>(Transport::datagram))
    return malformed("its address family or transport is not known");
  const auto family = static_cast<Family>(bytes[13] >> 4);
  const auto transport = static_cast<Transport>(bytes[13] & 0xf);
  if (family == Family::unspecified) return header;  // how long its addresses are is not known
  const Bytes addresses = bytes.first(size).subspan(v2_fixed);
  if (addresses.size() < addresses_size(family)) return malformed("its addresses are cut off");
  if (auto done = check_tlvs(bytes.first(size), v2_fixed + addresses_size(family)); !done)
    return std::unexpected(std::move(done.error()));
  if (family == Family::unix_domain || transport != Transport::stream) return header;
  const std::size_t octets = family == Family::ipv4 ? 4 : 16;
  header.source = SocketAddress(*IpAddress::from_octets(addresses.first(octets)),
                                static_cast<std::uint16_t>(number16(addresses.subspan(2 * octets))));
  return header;
}

}  // namespace

Result<std::optional<ProxyHeader>> parse_proxy_header(Bytes bytes) {
  const bool v1 = agrees(bytes, v1_signature), v2 = agrees(bytes, v2_signature);
  if (!v1 && !v2) return fail(ErrorKind::protocol, "the connection does not begin with a PROXY header");
  if (bytes.size() < (v1 ? v1_signature : v2_signature).size()) return std::nullopt;
  return v1 ? parse_v1(bytes) : parse_v2(bytes);
}

}  // namespace sallyport::net
