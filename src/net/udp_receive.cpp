#include "net/udp_receive.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

constexpr std::size_t slot_size = 64 * 1024;
// The slots are not a multiple of the page size apart; otherwise the first packets of all slots would compete
// for the same few cache sets.
constexpr std::size_t slot_stride = slot_size + 33 * 64;

struct Control {
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int)) * 3 + CMSG_SPACE(sizeof(in6_pktinfo)) +
                                                CMSG_SPACE(sizeof(in_pktinfo))> bytes;
};

template <class T>
T read_as(const cmsghdr* header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

Ecn ecn_of(int traffic_class) {
  return static_cast<Ecn>(traffic_class & 3);
}

SocketAddress address_of(const in_pktinfo& info) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = info.ipi_spec_dst;
  return SocketAddress(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

SocketAddress address_of(const in6_pktinfo& info) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = info.ipi6_addr;
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) address.sin6_scope_id = info.ipi6_ifindex;
  return SocketAddress(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

void read_control(const cmsghdr* header, ReceivedMessage& message) {
  if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO) {
    if (const int size = read_as<int>(header); size > 0)
      message.run.segment_size = static_cast<std::size_t>(size);
  } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TOS) {
    message.run.ecn = ecn_of(read_as<std::uint8_t>(header));
  } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_TCLASS) {
    message.run.ecn = ecn_of(read_as<int>(header));
  } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
    message.local = address_of(read_as<in_pktinfo>(header));
  } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
    message.local = address_of(read_as<in6_pktinfo>(header));
  } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_RXQ_OVFL) {
    message.overflow = read_as<std::uint32_t>(header);
  }
}

}  // namespace

struct UdpReceiveBatch::Slots {
  std::array<mmsghdr, capacity> headers{};
  std::array<iovec, capacity> parts{};
  std::array<SocketAddress, capacity> names;
  std::array<Control, capacity> controls;
  std::unique_ptr<std::uint8_t[]> bytes =
      std::make_unique_for_overwrite<std::uint8_t[]>(capacity * slot_stride);
};

UdpReceiveBatch::UdpReceiveBatch() : slots_(std::make_unique<Slots>()) {
  for (std::size_t i = 0; i < capacity; ++i) {
    slots_->parts[i] = {slots_->bytes.get() + i * slot_stride, slot_size};
    slots_->headers[i].msg_hdr.msg_iov = &slots_->parts[i];
    slots_->headers[i].msg_hdr.msg_iovlen = 1;
    slots_->headers[i].msg_hdr.msg_control = &slots_->controls[i];
    slots_->headers[i].msg_hdr.msg_controllen = sizeof(Control);
  }
}

UdpReceiveBatch& UdpReceiveBatch::of_this_thread() {
  thread_local UdpReceiveBatch batch;
  return batch;
}

std::size_t UdpReceiveBatch::receive(int fd, std::size_t limit, bool want_names, int& error) {
  for (std::size_t i = 0; i < limit; ++i) {
    msghdr& header = slots_->headers[i].msg_hdr;
    header.msg_name = want_names ? slots_->names[i].data() : nullptr;
    header.msg_namelen = want_names ? sizeof(sockaddr_in6) : 0;
    header.msg_controllen = sizeof(Control);
  }
  const int count =
      ::recvmmsg(fd, slots_->headers.data(), static_cast<unsigned>(limit), MSG_DONTWAIT, nullptr);
  error = count < 0 ? errno : 0;
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

ReceivedMessage UdpReceiveBatch::message(std::size_t index) const {
  const mmsghdr& header = slots_->headers[index];
  ReceivedMessage message;
  if ((header.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    message.truncated = true;
    return message;
  }
  message.run.bytes = {slots_->bytes.get() + index * slot_stride, header.msg_len};
  message.run.segment_size = header.msg_len;
  if (header.msg_hdr.msg_name != nullptr) message.remote = slots_->names[index];
  msghdr& control = slots_->headers[index].msg_hdr;
  for (cmsghdr* at = CMSG_FIRSTHDR(&control); at != nullptr; at = CMSG_NXTHDR(&control, at))
    read_control(at, message);
  return message;
}

}  // namespace sallyport::net
