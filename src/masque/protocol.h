// Protocol: what a tunnel carries: UDP (CONNECT-UDP, RFC 9298), TCP (CONNECT, RFC 9110 §9.3.6) or IP
// (CONNECT-IP, RFC 9484). For all who tell tunnels apart by it: options, limits, counters, metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace sallyport::masque {

enum class Protocol : std::uint8_t { udp, tcp, ip };

inline constexpr std::array all_protocols{Protocol::udp, Protocol::tcp, Protocol::ip};

/// "udp", "tcp", "ip": as flags and metrics have it.
constexpr std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::udp:
      return "udp";
    case Protocol::tcp:
      return "tcp";
    case Protocol::ip:
      break;
  }
  return "ip";
}

/// A set of them.
class Protocols {
 public:
  constexpr Protocols() = default;
  constexpr Protocols(std::initializer_list<Protocol> protocols) {
    for (const Protocol protocol : protocols) insert(protocol);
  }
  constexpr void insert(Protocol protocol) { bits_ |= bit(protocol); }
  constexpr void erase(Protocol protocol) { bits_ &= ~bit(protocol); }
  constexpr bool contains(Protocol protocol) const { return (bits_ & bit(protocol)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(const Protocols&, const Protocols&) = default;

 private:
  static constexpr unsigned bit(Protocol protocol) { return 1u << static_cast<unsigned>(protocol); }
  unsigned bits_ = 0;
};

/// One value for each.
template <class Value>
class PerProtocol {
 public:
  constexpr Value& operator[](Protocol protocol) { return values_[static_cast<std::size_t>(protocol)]; }
  constexpr const Value& operator[](Protocol protocol) const {
    return values_[static_cast<std::size_t>(protocol)];
  }

 private:
  std::array<Value, all_protocols.size()> values_{};
};

}  // namespace sallyport::masque
