#include "net/fragment.h"

#include "net/internet_checksum.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"

#include <algorithm>
#include <cassert>

namespace sallyport::net {
namespace {

/// Offsets of fragments are multiples of this.
constexpr std::size_t unit = 8;
constexpr std::size_t max_whole_payload = 65'535;

std::size_t in_units(std::size_t size) {
  return size / unit * unit;
}

}  // namespace

std::expected<Fragmenter, FragmentError> Fragmenter::make(Bytes packet, std::size_t max_packet) {
  const auto parsed = parse_ip(packet);
  if (!parsed) return std::unexpected(FragmentError::malformed);
  Fragmenter made;
  made.packet_ = packet.first(parsed->total_length);
  made.max_packet_ = max_packet;
  made.first_header_size_ = made.later_header_size_ = parsed->upper_offset;
  if (made.packet_.size() <= max_packet) return made;
  if (parsed->dont_fragment) return std::unexpected(FragmentError::forbidden);
  const std::size_t payload = made.packet_.size() - made.first_header_size_;
  if (parsed->fragment_offset + payload > max_whole_payload) return std::unexpected(FragmentError::malformed);
  if (made.first_header_size_ + unit > max_packet) return std::unexpected(FragmentError::too_small);
  copy_bytes(packet.first(ipv4::header_size), made.later_header_.data());
  const Bytes options = packet.first(made.first_header_size_).subspan(ipv4::header_size);
  if (auto kept = made.keep_copied_options(options); !kept) return std::unexpected(kept.error());
  return made;
}

/// RFC 791 §3.1: an option whose first bit is set stands in all fragments, others only in the first one.
std::expected<void, FragmentError> Fragmenter::keep_copied_options(Bytes options) {
  constexpr std::uint8_t end_of_list = 0, no_operation = 1, copied = 0x80;
  std::size_t size = ipv4::header_size;
  while (!options.empty() && options[0] != end_of_list) {
    std::size_t length = 1;
    if (options[0] != no_operation) {
      if (options.size() < 2 || options[1] < 2 || options[1] > options.size())
        return std::unexpected(FragmentError::malformed);
      length = options[1];
      if ((options[0] & copied) != 0) {
        copy_bytes(options.first(length), later_header_.data() + size);
        size += length;
      }
    }
    options = options.subspan(length);
  }
  // What is left of the last word is zero: the end of the list.
  later_header_size_ = (size + 3) / 4 * 4;
  later_header_[0] = static_cast<std::uint8_t>(0x40 | later_header_size_ / 4);
  return {};
}

std::size_t Fragmenter::count() const {
  if (packet_.size() <= max_packet_) return 1;
  const std::size_t first = in_units(max_packet_ - first_header_size_);
  const std::size_t most = max_packet_ - later_header_size_;  // what the last one may carry
  const std::size_t each = in_units(most);
  const std::size_t left = packet_.size() - first_header_size_ - first;
  return left <= most ? 2 : 2 + (left - most + each - 1) / each;
}

std::size_t Fragmenter::next_size() const {
  if (done_) return 0;
  const std::size_t left = packet_.size() - first_header_size_ - at_;
  if (header_size() + left <= max_packet_) return header_size() + left;
  return header_size() + in_units(max_packet_ - header_size());
}

void Fragmenter::write_next(std::uint8_t* out) {
  assert(!done_);
  if (packet_.size() <= max_packet_) {
    copy_bytes(packet_, out);
    done_ = true;
    return;
  }
  const std::size_t size = next_size();
  const Bytes header =
      at_ == 0 ? packet_.first(first_header_size_) : Bytes(later_header_).first(header_size());
  const std::size_t payload = size - header.size();
  const bool last = first_header_size_ + at_ + payload == packet_.size();
  copy_bytes(packet_.subspan(first_header_size_ + at_, payload), copy_bytes(header, out));
  // The offset counts from that of the packet, whose own "more fragments" is that of its end.
  const std::uint32_t word =
      load_be16(packet_.data() + ipv4::fragment) + static_cast<std::uint32_t>(at_ / unit);
  store_be16(out + ipv4::fragment, last ? word : word | ipv4::more_fragments);
  store_be16(out + ipv4::total_length, static_cast<std::uint32_t>(size));
  store_be16(out + ipv4::checksum, 0);
  store_be16(out + ipv4::checksum, internet_checksum({out, header.size()}));
  at_ += payload;
  done_ = last;
}

}  // namespace sallyport::net
