#include "masque/ip_scope.h"

#include "masque/uri_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace sallyport::masque {
namespace {

/// 1 to `max_digits` decimal digits, no more than `max`.
std::optional<unsigned> parse_digits(std::string_view text, std::size_t max_digits, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.size() > max_digits || error != std::errc() || end != text.data() + text.size() || value > max)
    return std::nullopt;
  return value;
}

std::unexpected<Error> wrong_target(std::string_view raw, std::string_view why) {
  return fail(ErrorKind::protocol, "target " + quoted(raw) + " " + std::string(why) + " (RFC 9484 §4.6)");
}

/// "ADDRESS/LENGTH"; `raw`: as it stands in the request.
Result<IpScope> parse_prefix(std::string_view text, std::string_view raw) {
  const auto slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto address = is_host(host) ? net::IpAddress::parse(host) : std::nullopt;
  if (!address) return wrong_target(raw, "is not an IP prefix");
  const bool v4 = address->is_v4();
  const auto length = parse_digits(text.substr(slash + 1), v4 ? 2 : 3, v4 ? 32 : 128);
  if (!length)
    return wrong_target(raw, v4 ? "has no prefix length from 0 to 32" : "has no prefix length from 0 to 128");
  const net::IpPrefix prefix(*address, *length);
  if (prefix.address() != *address) return wrong_target(raw, "has bits set behind its prefix length");
  return IpScope{prefix, {}};
}

Result<IpScope> parse_target(std::string_view raw) {
  const auto text = percent_decode(raw);
  if (!text) return wrong_target(raw, "is not percent-encoded well");
  if (*text == "*") return IpScope{};
  if (text->find('/') != std::string::npos) return parse_prefix(*text, raw);
  if (!is_host(*text)) return wrong_target(raw, "is neither a name nor an IP prefix nor \"*\"");
  if (const auto address = net::IpAddress::parse(*text))
    return IpScope{net::IpPrefix(*address, static_cast<unsigned>(address->octets().size() * 8)), {}};
  return IpScope{*text, {}};
}

}  // namespace

bool IpScope::names_extension_header() const {
  // Hop-by-Hop Options, Routing, Fragment, Destination Options, Mobility, HIP, Shim6. ESP is not among them:
  // what lies behind it cannot be read, so it is what a packet is of.
  constexpr std::array<std::uint8_t, 7> extensions{0, 43, 44, 60, 135, 139, 140};
  constexpr std::uint8_t authentication_header = 51;
  if (protocol == authentication_header) return prefix() != nullptr && prefix()->address().is_v6();
  return protocol && std::ranges::find(extensions, *protocol) != extensions.end();
}

std::string IpScope::target_text() const {
  if (const std::string* name = hostname()) return *name;
  const net::IpPrefix* const range = prefix();
  if (range == nullptr) return "*";
  return range->length() == range->address().octets().size() * 8 ? range->address().to_string()
                                                                 : range->to_string();
}

std::string IpScope::protocol_text() const {
  return protocol ? std::to_string(*protocol) : "*";
}

Result<IpScope> parse_ip_scope(std::string_view target, std::string_view ipproto) {
  auto scope = parse_target(target);
  if (!scope) return scope;
  const auto text = percent_decode(ipproto);
  if (text && *text == "*") return scope;
  const auto protocol = text ? parse_digits(*text, 3, 255) : std::nullopt;
  if (!protocol)
    return fail(ErrorKind::protocol,
                "ipproto " + quoted(ipproto) + " is neither in 0 to 255 nor \"*\" (RFC 9484 §4.6)");
  scope->protocol = static_cast<std::uint8_t>(*protocol);
  return scope;
}

PacketScope::PacketScope(const IpScope& scope, std::span<const net::IpAddress> resolved)
    : protocol_(scope.protocol) {
  if (scope.is_any_target())
    targets_ = {range_of({net::IpAddress(), 0}), range_of({net::IpAddress::v6({}), 0})};
  else if (const net::IpPrefix* prefix = scope.prefix())
    targets_ = {range_of(*prefix)};
  else
    for (const net::IpAddress& address : resolved)
      targets_.push_back(range_of({address, static_cast<unsigned>(address.octets().size() * 8)}));
}

bool PacketScope::is_target(const net::IpAddress& address) const {
  // Not IPv4-mapped addresses in an IPv4 target: a packet that has those is one of IPv6.
  return std::ranges::any_of(targets_, [&](const IpRange& range) { return range.contains(address); });
}

bool PacketScope::admits_protocol(std::uint8_t protocol, bool v4) const {
  return !protocol_ || *protocol_ == protocol || is_icmp(protocol, v4);
}

bool PacketScope::admits_from_client(const PacketAddresses& packet) const {
  return admits_protocol(packet.protocol, packet.destination.is_v4()) && is_target(packet.destination);
}

bool PacketScope::admits_to_client(const PacketAddresses& packet) const {
  const bool v4 = packet.source.is_v4();
  if (is_icmp(packet.protocol, v4))
    return std::ranges::any_of(targets_, [v4](const IpRange& range) { return range.is_v4() == v4; });
  return admits_protocol(packet.protocol, v4) && is_target(packet.source);
}

std::vector<IpRange> PacketScope::ranges() const {
  // 0 would be all protocols there, and is none here: no packet's protocol is that of an extension header.
  if (protocol_ == any_protocol) return {};
  std::vector<IpRange> ranges = targets_;
  for (IpRange& range : ranges) range.protocol = protocol_.value_or(any_protocol);
  return sendable(std::move(ranges));
}

}  // namespace sallyport::masque
