#include "net/address.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

namespace sallyport::net {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_mapped(std::span<const std::uint8_t> octets) {
  return octets.size() == 16 && std::memcmp(octets.data(), mapped_prefix.data(), mapped_prefix.size()) == 0;
}

/// Decimal digits only, no sign, at most `maximum`.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t maximum) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > maximum) return std::nullopt;
  return value;
}

/// The index of an interface given by name or number; nullopt when there is no such name.
std::optional<std::uint32_t> parse_scope(std::string_view text) {
  if (const auto number = parse_number(text, UINT32_MAX)) return *number == 0 ? std::nullopt : number;
  if (text.empty() || text.size() >= IF_NAMESIZE) return std::nullopt;
  const std::uint32_t index = ::if_nametoindex(std::string(text).c_str());
  if (index == 0) return std::nullopt;
  return index;
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> octets) {
  IpAddress address;
  std::memcpy(address.octets_.data(), octets.data(), octets.size());
  return address;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> octets, std::uint32_t scope_id) {
  IpAddress address;
  address.octets_ = octets;
  address.size_ = 16;
  address.scope_id_ = scope_id;
  return address;
}

std::optional<IpAddress> IpAddress::from_octets(std::span<const std::uint8_t> octets) {
  if (octets.size() != 4 && octets.size() != 16) return std::nullopt;
  IpAddress address;
  std::memcpy(address.octets_.data(), octets.data(), octets.size());
  address.size_ = static_cast<std::uint8_t>(octets.size());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::uint32_t scope_id = 0;
  const std::size_t percent = text.find('%');
  if (percent != std::string_view::npos) {
    const auto scope = parse_scope(text.substr(percent + 1));
    if (!scope) return std::nullopt;
    scope_id = *scope;
    text = text.substr(0, percent);
  }
  // inet_pton wants a terminated string and would stop at a NUL inside the text.
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::ranges::copy(text, buffer.begin());
  std::array<std::uint8_t, 4> four{};
  if (percent == std::string_view::npos && ::inet_pton(AF_INET, buffer.data(), four.data()) == 1)
    return v4(four);
  std::array<std::uint8_t, 16> sixteen{};
  if (::inet_pton(AF_INET6, buffer.data(), sixteen.data()) == 1) return v6(sixteen, scope_id);
  return std::nullopt;
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(unmapped().octets(), [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_loopback() const {
  const IpAddress plain = unmapped();
  if (plain.is_v4()) return plain.octets_[0] == 127;
  return plain.octets_[15] == 1 && std::all_of(plain.octets_.begin(), plain.octets_.end() - 1,
                                               [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_link_local() const {
  const IpAddress plain = unmapped();
  if (plain.is_v4()) return plain.octets_[0] == 169 && plain.octets_[1] == 254;
  return plain.octets_[0] == 0xfe && (plain.octets_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_multicast() const {
  const IpAddress plain = unmapped();
  return plain.is_v4() ? (plain.octets_[0] & 0xf0) == 0xe0 : plain.octets_[0] == 0xff;
}

IpAddress IpAddress::unmapped() const {
  if (!is_mapped(octets())) return *this;
  return *from_octets(octets().subspan(12));
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  ::inet_ntop(is_v4() ? AF_INET : AF_INET6, octets_.data(), buffer.data(), buffer.size());
  std::string text = buffer.data();
  if (scope_id_ != 0) {
    std::array<char, IF_NAMESIZE> name{};
    text += '%';
    text += ::if_indextoname(scope_id_, name.data()) != nullptr ? name.data() : std::to_string(scope_id_);
  }
  return text;
}

IpPrefix::IpPrefix(IpAddress address, unsigned length)
    : length_(std::min(length, static_cast<unsigned>(address.octets().size() * 8))) {
  std::array<std::uint8_t, 16> octets{};
  std::ranges::copy(address.octets(), octets.begin());
  for (unsigned i = 0; i < octets.size(); ++i) {
    const unsigned kept = std::clamp(static_cast<int>(length_) - static_cast<int>(8 * i), 0, 8);
    octets[i] &= static_cast<std::uint8_t>(0xff00 >> kept);
  }
  address_ = *IpAddress::from_octets(std::span(octets).first(address.octets().size()));
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address || address->scope_id() != 0) return std::nullopt;
  const unsigned bits = static_cast<unsigned>(address->octets().size() * 8);
  if (slash == std::string_view::npos) return IpPrefix(*address, bits);
  const auto length = parse_number(text.substr(slash + 1), bits);
  if (!length) return std::nullopt;
  const IpPrefix prefix(*address, *length);
  if (prefix.address() != *address) return std::nullopt;
  return prefix;
}

bool IpPrefix::contains(const IpAddress& address) const {
  std::span<const std::uint8_t> octets = address.octets();
  if (address_.is_v4() && is_mapped(octets)) octets = octets.subspan(mapped_prefix.size());
  const std::span<const std::uint8_t> own = address_.octets();
  if (octets.size() != own.size()) return false;
  const std::size_t whole = length_ / 8;
  if (std::memcmp(octets.data(), own.data(), whole) != 0) return false;
  const unsigned rest = length_ % 8;
  return rest == 0 || ((octets[whole] ^ own[whole]) & (0xff00U >> rest) & 0xffU) == 0;
}

std::string IpPrefix::to_string() const {
  return address_.to_string() + '/' + std::to_string(length_);
}

SocketAddress::SocketAddress() : SocketAddress(IpAddress(), 0) {}

SocketAddress::SocketAddress(const IpAddress& ip, std::uint16_t port) {
  if (ip.is_v4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, ip.octets().data(), 4);
    std::memcpy(storage_.data(), &address, sizeof address);
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_scope_id = ip.scope_id();
    std::memcpy(&address.sin6_addr, ip.octets().data(), 16);
    std::memcpy(storage_.data(), &address, sizeof address);
  }
}

SocketAddress::SocketAddress(const sockaddr* address, socklen_t length) : SocketAddress() {
  static_assert(sizeof(storage_) == sizeof(sockaddr_in6));
  if (address == nullptr || length < sizeof(sa_family_t)) return;
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in))
    std::memcpy(storage_.data(), address, offsetof(sockaddr_in, sin_zero));
  else if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6))
    std::memcpy(storage_.data(), address, sizeof(sockaddr_in6));
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1), 65535);
  if (!port) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.empty()) return SocketAddress(IpAddress::v6({}), static_cast<std::uint16_t>(*port));
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = IpAddress::parse(host);
  if (!ip || ip->is_v6() != bracketed) return std::nullopt;
  return SocketAddress(*ip, static_cast<std::uint16_t>(*port));
}

socklen_t SocketAddress::size() const {
  return family() == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

IpAddress SocketAddress::ip() const {
  if (family() == AF_INET6) {
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), storage_.data() + offsetof(sockaddr_in6, sin6_addr), octets.size());
    std::uint32_t scope_id = 0;
    std::memcpy(&scope_id, storage_.data() + offsetof(sockaddr_in6, sin6_scope_id), sizeof scope_id);
    return IpAddress::v6(octets, scope_id);
  }
  std::array<std::uint8_t, 4> octets{};
  std::memcpy(octets.data(), storage_.data() + offsetof(sockaddr_in, sin_addr), octets.size());
  return IpAddress::v4(octets);
}

// The port has the same offset in both families.
static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));

std::uint16_t SocketAddress::port() const {
  std::uint16_t port = 0;
  std::memcpy(&port, storage_.data() + offsetof(sockaddr_in, sin_port), sizeof port);
  return ntohs(port);
}

void SocketAddress::set_port(std::uint16_t port) {
  const std::uint16_t network_order = htons(port);
  std::memcpy(storage_.data() + offsetof(sockaddr_in, sin_port), &network_order, sizeof network_order);
}

std::string SocketAddress::to_string() const {
  const IpAddress shown = ip().unmapped();
  const std::string host = shown.to_string();
  return (shown.is_v4() ? host : '[' + host + ']') + ':' + std::to_string(port());
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  // IPv4: without the padding, which a kernel may have written. IPv6: the flow label is 0 unless it was asked
  // for.
  const std::size_t size = a.family() == AF_INET6 ? sizeof(sockaddr_in6) : offsetof(sockaddr_in, sin_zero);
  return std::memcmp(a.storage_.data(), b.storage_.data(), size) == 0;
}

std::size_t SocketAddressHash::operator()(const SocketAddress& address) const {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(address.data());
  const std::size_t size = address.family() == AF_INET6 ? 28 : 8;  // multiples of 4, without IPv4's padding
  std::uint64_t hash = 0x9e3779b97f4a7c15;
  for (std::size_t at = 0; at < size; at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes + at, sizeof word);
    hash = (hash ^ word) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace sallyport::net
