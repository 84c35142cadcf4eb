// Segmenter: cuts a TCP or UDP super-packet, as TSO and USO hand it over, into the packets that go on a path:
// with headers, lengths and full checksums of their own. A packet that is none only gets its checksum
// completed, so a tunnel sends all that it reads from a TUN device through this. Each packet is built where
// the caller wants it, in one copy.
#pragma once

#include "base/bytes.h"
#include "net/packet_port.h"

#include <cstdint>
#include <expected>

namespace sallyport::net {

enum class SegmentError : std::uint8_t {
  malformed,  ///< no IP packet, or neither TCP nor UDP where segments or a checksum are asked for
  /// A packet, or a UDP segment, is longer than the path takes, or the path takes too little to cut TCP for
  /// it: answer with Packet Too Big, or cut it by net/fragment.h where IPv4 permits it.
  too_large,
};

/// TCP super-packets are cut to shorter segments than their own for paths that take packets of this size,
/// with all headers: what TCP sends where it knows nothing of the path (RFC 9293 §3.7.1: segments of 536 and
/// 1,220 bytes, less options). Every IPv6 link takes as much, and on the others a host should hear of its
/// path, rather than have each write become thousands of packets here.
inline constexpr std::size_t least_cut_packet_v4 = 576, least_cut_packet_v6 = 1'280;
/// And that leave this much payload, which is what the longest IPv4 and TCP headers do, and long IPv6
/// extension headers may not.
inline constexpr std::size_t least_cut_payload = least_cut_packet_v4 - 60 - 60;

class Segmenter {
 public:
  /// Of packets of at most `max_packet` bytes, with their IP header. The segments of TCP get shorter where
  /// they do not fit; those of UDP are datagrams, and cannot. Keeps `packet.bytes`. Where it has to cut them
  /// or to complete their checksum, they are no packet any more: lengths, identification, checksums and some
  /// flags in the headers are zeroed. On an error they stay as they were.
  static std::expected<Segmenter, SegmentError> make(const Packet& packet, std::size_t max_packet);

  /// How many packets there are, at least 1.
  std::size_t count() const;
  /// Bytes of the next packet; 0 when there is none left.
  std::size_t next_size() const;
  /// Writes the next packet to `out`, which has room for next_size(), and does not overlap the super-packet.
  void write_next(std::uint8_t* out);

 private:
  Segmenter() = default;

  MutableBytes bytes_;  // headers and payload
  std::size_t headers_size_ = 0;
  std::size_t segment_size_ = 0;  // payload bytes of each packet but the last
  std::size_t at_ = 0;            // offset of the next packet's payload in the payload
  std::size_t upper_offset_ = 0;
  bool done_ = false;
  bool is_v4_ = false, is_tcp_ = false;
  bool as_it_is_ = false;  // one packet with nothing to be done
  bool without_checksum_ = false;
  std::uint8_t first_flags_ = 0;         // CWR, which only the first packet keeps
  std::uint8_t last_flags_ = 0;          // FIN and PSH, which only the last one gets
  std::uint16_t identification_ = 0;     // of the next packet
  std::uint32_t sequence_ = 0;           // of the next packet
  std::uint32_t header_sum_ = 0;         // of the IPv4 header without total length and identification
  std::uint32_t pseudo_header_sum_ = 0;  // of the pseudo-header without the length
};

/// Cuts `packet` and calls `visit(MutableBytes)` with each packet, built in `buffer`, which has room for
/// `max_packet` bytes.
template <class Visit>
std::expected<void, SegmentError> for_each_segment(const Packet& packet, std::size_t max_packet,
                                                   MutableBytes buffer, Visit&& visit) {
  auto segmenter = Segmenter::make(packet, max_packet);
  if (!segmenter) return std::unexpected(segmenter.error());
  while (const std::size_t size = segmenter->next_size()) {
    segmenter->write_next(buffer.data());
    visit(buffer.first(size));
  }
  return {};
}

}  // namespace sallyport::net
