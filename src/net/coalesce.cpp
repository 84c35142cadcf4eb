#include "net/coalesce.h"

#include "net/gso.h"
#include "net/internet_checksum.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace sallyport::net {
namespace {

/// Of an IPv4 packet, by its length field; IPv6 could be 40 bytes longer.
constexpr std::size_t max_super_packet = 65'535;

/// What a packet has to be for others to be joined to it, or it to them.
struct Candidate {
  Bytes bytes;
  std::size_t ip_size = 0;       // 20 or 40
  std::size_t headers_size = 0;  // with the TCP or UDP header
  bool is_v4 = false, is_tcp = false;
  bool last = false;  // FIN or PSH: nothing is joined behind it

  std::size_t payload_size() const { return bytes.size() - headers_size; }
  const std::uint8_t* upper() const { return bytes.data() + ip_size; }
};

bool same(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  return std::memcmp(a, b, size) == 0;
}

/// Addresses as they lie in the header.
Bytes addresses(Bytes packet) {
  return packet[0] >> 4 == 4 ? packet.subspan(ipv4::source, 8) : packet.subspan(ipv6::source, 32);
}

/// Not keyed: equal hashes cost a comparison, no more, in a table this small.
std::uint64_t hash_flow(Bytes packet, const IpPacket& parsed) {
  const Bytes both = addresses(packet);
  std::uint64_t hash =
      load_be32(packet.data() + parsed.upper_offset) + (std::uint64_t{parsed.protocol} << 32);
  for (std::size_t at = 0; at < both.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, both.data() + at, sizeof word);
    hash = (hash ^ word) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

bool is_candidate_tcp(const IpPacket& packet, Candidate& candidate) {
  const std::uint8_t* const header = candidate.upper();
  const std::size_t size = (header[tcp::data_offset] >> 4) * std::size_t{4};
  candidate.headers_size = candidate.ip_size + size;
  const std::uint8_t flags = header[tcp::flags];
  candidate.last = (flags & (tcp::fin | tcp::psh)) != 0;
  // Without payload it is an acknowledgment, whose number counts.
  return size >= tcp::header_size && size < packet.upper_length() && (flags & tcp::ack) != 0 &&
         (flags & (tcp::syn | tcp::rst | tcp::urg)) == 0;
}

bool is_candidate_udp(const IpPacket& packet, Candidate& candidate) {
  candidate.headers_size = candidate.ip_size + udp::header_size;
  return packet.upper_length() > udp::header_size &&
         load_be16(candidate.upper() + udp::length) == packet.upper_length();
}

/// Apart from its checksums.
std::optional<Candidate> candidate_of(Bytes bytes, const IpPacket& packet, const CoalescerOptions& options) {
  Candidate candidate{.bytes = bytes.first(packet.total_length)};
  candidate.is_v4 = packet.version == 4;
  candidate.is_tcp = packet.protocol == protocol::tcp;
  candidate.ip_size = candidate.is_v4 ? ipv4::header_size : ipv6::header_size;
  // Neither IPv4 options nor extension headers.
  if (packet.fragment || packet.upper_offset != candidate.ip_size || packet.total_length > max_super_packet)
    return std::nullopt;
  bool fits = false;
  if (candidate.is_tcp)
    fits = options.tcp && is_candidate_tcp(packet, candidate);
  else if (packet.protocol == protocol::udp)
    fits = options.udp && is_candidate_udp(packet, candidate);
  return fits ? std::optional(candidate) : std::nullopt;
}

std::size_t checksum_offset(bool is_tcp) {
  return is_tcp ? tcp::checksum : udp::checksum;
}

/// A partial checksum has nothing to be verified, but has to be one.
bool has_valid_checksums(const Candidate& candidate, const IpPacket& packet, bool partial) {
  if (!has_valid_header_checksum(candidate.bytes, packet)) return false;
  if (!partial) return has_valid_upper_checksum(candidate.bytes, packet);
  return load_be16(candidate.upper() + checksum_offset(candidate.is_tcp)) ==
         pseudo_header_sum(addresses(candidate.bytes), packet.protocol, packet.upper_length());
}

}  // namespace

struct Coalescer::Flow {
  std::uint64_t hash = 0;
  std::size_t size = 0;
  std::size_t headers_size = 0;
  std::size_t ip_size = 0;
  std::size_t segment_size = 0;  // the payload of the first packet
  std::size_t count = 0;
  std::uint32_t next_sequence = 0;
  std::uint16_t next_identification = 0;
  bool is_v4 = false, is_tcp = false;
  bool ended = false;    // by a shorter packet, or by FIN or PSH
  bool partial = false;  // of the first packet, while it is the only one
  std::array<std::uint8_t, max_super_packet> bytes;

  bool is_between(Bytes packet, const IpPacket& parsed) const;
  bool is_of(Bytes packet, const IpPacket& parsed) const;
  void begin(const Candidate& first, bool checksum_partial);
  bool takes(const Candidate& next) const;
  void join(const Candidate& next);
  Packet finish();

 private:
  bool same_ip_header(const std::uint8_t* ip) const;
  bool same_tcp_header(const std::uint8_t* header) const;
};

/// Whether the packet is between the same hosts.
bool Coalescer::Flow::is_between(Bytes packet, const IpPacket& parsed) const {
  const Bytes mine = addresses(bytes);
  return is_v4 == (parsed.version == 4) && same(mine.data(), addresses(packet).data(), mine.size());
}

bool Coalescer::Flow::is_of(Bytes packet, const IpPacket& parsed) const {
  return is_between(packet, parsed) && is_tcp == (parsed.protocol == protocol::tcp) &&
         same(bytes.data() + ip_size, packet.data() + parsed.upper_offset, 4);
}

void Coalescer::Flow::begin(const Candidate& first, bool checksum_partial) {
  is_v4 = first.is_v4;
  is_tcp = first.is_tcp;
  ip_size = first.ip_size;
  headers_size = first.headers_size;
  segment_size = first.payload_size();
  size = first.bytes.size();
  count = 1;
  ended = first.last;
  partial = checksum_partial;
  copy_bytes(first.bytes, bytes.data());
  if (is_v4)
    next_identification = static_cast<std::uint16_t>(load_be16(bytes.data() + ipv4::identification) + 1);
  if (is_tcp)
    next_sequence = load_be32(first.upper() + tcp::sequence) + static_cast<std::uint32_t>(segment_size);
}

bool Coalescer::Flow::same_ip_header(const std::uint8_t* ip) const {
  const std::uint8_t* const mine = bytes.data();
  if (!is_v4) return same(ip, mine, ipv6::payload_length) && ip[ipv6::hop_limit] == mine[ipv6::hop_limit];
  // Where it cannot be fragmented the identification means nothing (RFC 6864 §4.1).
  const bool follows = (ip[ipv4::fragment] & (ipv4::dont_fragment >> 8)) != 0 ||
                       load_be16(ip + ipv4::identification) == next_identification;
  return follows && ip[ipv4::traffic_class] == mine[ipv4::traffic_class] &&
         same(ip + ipv4::fragment, mine + ipv4::fragment, 2) && ip[ipv4::ttl] == mine[ipv4::ttl];
}

bool Coalescer::Flow::same_tcp_header(const std::uint8_t* header) const {
  const std::uint8_t* const mine = bytes.data() + ip_size;
  // A join keeps the first packet's CWR, and the last one's FIN and PSH.
  constexpr std::uint8_t may_differ = tcp::fin | tcp::psh | tcp::cwr;
  if ((header[tcp::flags] & tcp::cwr) != 0) return false;
  return load_be32(header + tcp::sequence) == next_sequence &&
         same(header + tcp::acknowledgment, mine + tcp::acknowledgment, 4) &&
         header[tcp::data_offset] == mine[tcp::data_offset] &&
         ((header[tcp::flags] ^ mine[tcp::flags]) & ~may_differ) == 0 &&
         same(header + tcp::window, mine + tcp::window, 2) &&
         same(header + tcp::urgent, mine + tcp::urgent, headers_size - ip_size - tcp::urgent);
}

bool Coalescer::Flow::takes(const Candidate& next) const {
  if (ended || next.headers_size != headers_size || next.payload_size() > segment_size ||
      size + next.payload_size() > max_super_packet)
    return false;
  if (!is_tcp && count == max_gso_segments) return false;
  return same_ip_header(next.bytes.data()) && (!is_tcp || same_tcp_header(next.upper()));
}

void Coalescer::Flow::join(const Candidate& next) {
  copy_bytes(next.bytes.subspan(headers_size), bytes.data() + size);
  size += next.payload_size();
  ++count;
  ++next_identification;
  next_sequence += static_cast<std::uint32_t>(next.payload_size());
  ended = next.last || next.payload_size() < segment_size;
  if (is_tcp) bytes[ip_size + tcp::flags] |= next.upper()[tcp::flags] & (tcp::fin | tcp::psh);
}

/// The headers that stand for all packets joined.
Packet Coalescer::Flow::finish() {
  const MutableBytes whole(bytes.data(), size);
  if (count == 1) return {whole, 0, partial};
  std::uint8_t* const ip = bytes.data();
  const auto upper_length = static_cast<std::uint32_t>(size - ip_size);
  if (is_v4) {
    store_be16(ip + ipv4::total_length, static_cast<std::uint32_t>(size));
    store_be16(ip + ipv4::checksum, 0);
    store_be16(ip + ipv4::checksum, internet_checksum(whole.first(ip_size)));
  } else {
    store_be16(ip + ipv6::payload_length, upper_length);
  }
  std::uint8_t* const upper = ip + ip_size;
  if (!is_tcp) store_be16(upper + udp::length, upper_length);
  store_be16(upper + checksum_offset(is_tcp),
             pseudo_header_sum(addresses(whole), is_tcp ? protocol::tcp : protocol::udp, upper_length));
  return {whole, static_cast<std::uint16_t>(segment_size), true};
}

Coalescer::Coalescer(Output output, const CoalescerOptions& options)
    : output_(std::move(output)), options_(options) {}

Coalescer::~Coalescer() = default;

void Coalescer::add(const Packet& packet) {
  const auto parsed = parse_ip(packet.bytes);
  if (parsed && !parsed->has_upper_header()) put_out_between(packet.bytes, *parsed);
  if (!parsed || !parsed->has_upper_header() ||
      (parsed->protocol != protocol::tcp && parsed->protocol != protocol::udp)) {
    output_(packet);
    return;
  }
  const std::uint64_t hash = hash_flow(packet.bytes, *parsed);
  const std::size_t position = find(hash, packet.bytes, *parsed);
  const bool is_kept = position < kept_;
  std::optional<Candidate> candidate;
  if (packet.segment_size == 0) candidate = candidate_of(packet.bytes, *parsed, options_);
  if (candidate && !has_valid_checksums(*candidate, *parsed, packet.checksum_partial)) candidate.reset();
  if (candidate && is_kept && flows_[position]->takes(*candidate)) {
    flows_[position]->join(*candidate);
    if (flows_[position]->ended) put_out(position);
    return;
  }
  if (is_kept) put_out(position);
  if (!candidate || candidate->last)
    output_(packet);
  else
    start(hash).begin(*candidate, packet.checksum_partial);
}

void Coalescer::flush() {
  while (kept_ > 0) put_out(0);
}

std::size_t Coalescer::find(std::uint64_t hash, Bytes packet, const IpPacket& parsed) const {
  for (std::size_t i = 0; i < kept_; ++i)
    if (flows_[i]->hash == hash && flows_[i]->is_of(packet, parsed)) return i;
  return kept_;
}

Coalescer::Flow& Coalescer::start(std::uint64_t hash) {
  if (kept_ == max_flows) put_out(0);
  auto& flow = flows_[kept_++];
  if (!flow) flow = std::make_unique_for_overwrite<Flow>();
  flow->hash = hash;
  return *flow;
}

void Coalescer::put_out(std::size_t position) {
  const auto first = flows_.begin() + static_cast<std::ptrdiff_t>(position);
  std::rotate(first, first + 1, flows_.begin() + static_cast<std::ptrdiff_t>(kept_));
  --kept_;
  output_(flows_[kept_]->finish());
}

/// A fragment without ports may be of any flow between its two hosts by its protocol, which in IPv6 may stand
/// behind extension headers that only the first fragment has.
void Coalescer::put_out_between(Bytes packet, const IpPacket& parsed) {
  const bool tcp = parsed.protocol == protocol::tcp, udp = parsed.protocol == protocol::udp;
  const bool any = !tcp && !udp && parsed.version == 6;
  for (std::size_t i = 0; i < kept_;) {
    if ((any || (flows_[i]->is_tcp ? tcp : udp)) && flows_[i]->is_between(packet, parsed))
      put_out(i);
    else
      ++i;
  }
}

}  // namespace sallyport::net
