#include "binding.h"

#include <cstdint>

namespace sallyport::sim {
namespace {

// RFC 9000 §17, RFC 9369 §3
constexpr std::uint8_t long_header_bit = 0x80, type_bits = 0x30;
constexpr std::size_t version_at = 1, long_id_length_at = 5, long_id_at = 6, short_id_at = 1;

bool is_handshake(Bytes packet) {
  const auto version = static_cast<std::uint32_t>(packet[version_at]) << 24 | packet[version_at + 1] << 16 |
                       packet[version_at + 2] << 8 | packet[version_at + 3];
  const int type = packet[0] & type_bits;
  return (version == 1 && type == 0x20) || (version == 0x6b3343cf && type == 0x30);
}

}  // namespace

bool takes(const net::SocketAddress& local, const net::SocketAddress& to) {
  if (local.port() != to.port()) return false;
  if (local.ip().is_unspecified()) return local.ip().is_v6() || to.ip().is_v4();
  return local.ip() == to.ip();
}

bool overlap(const net::SocketAddress& one, const net::SocketAddress& other) {
  return takes(one, other) || takes(other, one);
}

std::size_t hash_of(const net::NetPath& path) {
  const net::SocketAddressHash hash;
  return hash(path.local) * 31 + hash(path.remote);
}

std::optional<std::size_t> steered_worker(Bytes packet, const net::SteeringLayout& layout) {
  const std::size_t id_length = layout.connection_id_length;
  if (packet.size() < short_id_at + id_length) return std::nullopt;
  std::size_t worker_at = short_id_at + layout.worker_offset;
  if ((packet[0] & long_header_bit) != 0) {
    if (packet.size() < long_id_at + id_length || packet[long_id_length_at] != id_length ||
        !is_handshake(packet))
      return std::nullopt;
    worker_at = long_id_at + layout.worker_offset;
  }
  const std::size_t worker = packet[worker_at];
  return worker < layout.workers ? std::optional(worker) : std::nullopt;
}

}  // namespace sallyport::sim
