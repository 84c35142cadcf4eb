#include "net/segment.h"

#include "net/internet_checksum.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"

#include <algorithm>
#include <cassert>

namespace sallyport::net {
namespace {

constexpr std::uint8_t only_first = tcp::cwr;
constexpr std::uint8_t only_last = tcp::fin | tcp::psh;

/// A ones' complement sum without `part`, which it holds.
std::uint32_t without(std::uint32_t sum, std::uint32_t part) {
  return fold_sum(std::uint64_t{sum} + (0xffffU ^ fold_sum(part)));
}

}  // namespace

std::expected<Segmenter, SegmentError> Segmenter::make(const Packet& packet, std::size_t max_packet) {
  const auto parsed = parse_ip(packet.bytes);
  if (!parsed) return std::unexpected(SegmentError::malformed);
  Segmenter made;
  made.bytes_ = packet.bytes.first(parsed->total_length);
  if (packet.segment_size == 0 && !packet.checksum_partial) {
    if (made.bytes_.size() > max_packet) return std::unexpected(SegmentError::too_large);
    made.as_it_is_ = true;
    made.segment_size_ = made.bytes_.size();
    return made;
  }
  made.is_tcp_ = parsed->protocol == protocol::tcp;
  if (parsed->fragment || (!made.is_tcp_ && parsed->protocol != protocol::udp))
    return std::unexpected(SegmentError::malformed);
  made.is_v4_ = parsed->version == 4;
  made.upper_offset_ = parsed->upper_offset;
  std::uint8_t* const ip = made.bytes_.data();
  std::uint8_t* const upper = ip + parsed->upper_offset;
  std::size_t upper_header = udp::header_size;
  if (made.is_tcp_) {
    upper_header = (upper[tcp::data_offset] >> 4) * std::size_t{4};
    if (upper_header < tcp::header_size || upper_header > parsed->upper_length())
      return std::unexpected(SegmentError::malformed);
  }
  made.headers_size_ = parsed->upper_offset + upper_header;
  const std::size_t payload = made.bytes_.size() - made.headers_size_;
  made.segment_size_ =
      packet.segment_size == 0 ? payload : std::min<std::size_t>(packet.segment_size, payload);
  if (made.headers_size_ + made.segment_size_ > max_packet) {
    const std::size_t least_packet = made.is_v4_ ? least_cut_packet_v4 : least_cut_packet_v6;
    if (!made.is_tcp_ || packet.segment_size == 0 || max_packet < least_packet ||
        made.headers_size_ + least_cut_payload > max_packet)
      return std::unexpected(SegmentError::too_large);
    made.segment_size_ = max_packet - made.headers_size_;
  }

  std::uint8_t* const checksum = upper + (made.is_tcp_ ? tcp::checksum : udp::checksum);
  if (packet.checksum_partial) {
    made.pseudo_header_sum_ = without(load_be16(checksum), parsed->upper_length());
  } else if (!made.is_tcp_ && load_be16(checksum) == 0) {
    made.without_checksum_ = true;
  } else {
    // What the checksum adds to the sum of what it covers is the pseudo-header, even behind a routing header;
    // and if the checksum was wrong, all of these will be, as they should.
    made.pseudo_header_sum_ = without(0xffff, internet_sum(made.bytes_.subspan(parsed->upper_offset)));
    made.pseudo_header_sum_ = without(made.pseudo_header_sum_, parsed->upper_length());
  }
  store_be16(checksum, 0);
  if (made.is_v4_) {
    made.identification_ = load_be16(ip + ipv4::identification);
    store_be16(ip + ipv4::total_length, 0);
    store_be16(ip + ipv4::identification, 0);
    store_be16(ip + ipv4::checksum, 0);
    made.header_sum_ = internet_sum(made.bytes_.first(parsed->upper_offset));
  }
  if (made.is_tcp_) {
    made.sequence_ = load_be32(upper + tcp::sequence);
    made.first_flags_ = upper[tcp::flags] & only_first;
    made.last_flags_ = upper[tcp::flags] & only_last;
    upper[tcp::flags] &= static_cast<std::uint8_t>(~(only_first | only_last));
  }
  return made;
}

std::size_t Segmenter::count() const {
  const std::size_t payload = bytes_.size() - headers_size_;
  return payload == 0 ? 1 : (payload + segment_size_ - 1) / segment_size_;
}

std::size_t Segmenter::next_size() const {
  return done_ ? 0 : headers_size_ + std::min(segment_size_, bytes_.size() - headers_size_ - at_);
}

void Segmenter::write_next(std::uint8_t* out) {
  assert(!done_);
  if (as_it_is_) {
    copy_bytes(bytes_, out);
    done_ = true;
    return;
  }
  const std::size_t size = next_size();
  const std::size_t payload = size - headers_size_;
  const bool first = at_ == 0;
  const bool last = headers_size_ + at_ + payload == bytes_.size();
  copy_bytes(bytes_.subspan(headers_size_ + at_, payload), copy_bytes(bytes_.first(headers_size_), out));
  if (is_v4_) {
    store_be16(out + ipv4::total_length, static_cast<std::uint32_t>(size));
    store_be16(out + ipv4::identification, identification_);
    store_be16(out + ipv4::checksum, 0xffffU ^ fold_sum(std::uint64_t{header_sum_} + size + identification_));
    ++identification_;
  } else {
    store_be16(out + ipv6::payload_length, static_cast<std::uint32_t>(size - ipv6::header_size));
  }
  std::uint8_t* const upper = out + upper_offset_;
  const std::size_t upper_length = size - upper_offset_;
  if (is_tcp_) {
    store_be32(upper + tcp::sequence, sequence_);
    sequence_ += static_cast<std::uint32_t>(payload);
    if (first) upper[tcp::flags] |= first_flags_;
    if (last) upper[tcp::flags] |= last_flags_;
  } else {
    store_be16(upper + udp::length, static_cast<std::uint32_t>(upper_length));
  }
  if (!without_checksum_) {
    std::uint16_t checksum = internet_checksum({upper, upper_length},
                                               pseudo_header_sum_ + static_cast<std::uint32_t>(upper_length));
    if (!is_tcp_ && checksum == 0) checksum = 0xffff;
    store_be16(upper + (is_tcp_ ? tcp::checksum : udp::checksum), checksum);
  }
  at_ += payload;
  done_ = last;
}

}  // namespace sallyport::net
