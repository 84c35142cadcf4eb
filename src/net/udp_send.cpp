#include "net/udp_send.h"

#include "base/log.h"
#include "net/gso.h"
#include "net/udp_errors.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

bool is_v4(const SocketAddress& address) {
  return address.family() == AF_INET ||
         IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr);
}

}  // namespace

/// What goes around the bytes of each call for one run: the destination and the ancillary data.
struct UdpSender::Envelope {
  msghdr header{};
  // Filled up to `used` only: it is made for every run.
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo)) +
                                                CMSG_SPACE(sizeof(std::uint16_t))> control;
  std::size_t used = 0;
  std::size_t max_call = max_gso_bytes_v4;

  Envelope(const NetPath& to, Ecn ecn, const Options& options) {
    if (!options.connected) {
      header.msg_name = const_cast<sockaddr*>(to.remote.data());  // sendmsg only reads it
      header.msg_namelen = to.remote.size();
    }
    const bool v4 = is_v4(to.remote);
    if (!v4) max_call = max_gso_bytes_v6;
    if (ecn != Ecn::not_ect) {
      const int traffic_class = static_cast<int>(ecn);
      add(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, traffic_class);
    }
    if (options.source_address) add_source(to.local, v4);
  }

  template <class T>
  void add(int level, int type, const T& value) {
    cmsghdr head{};
    head.cmsg_level = level;
    head.cmsg_type = type;
    head.cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(control.data() + used, &head, sizeof head);
    std::memcpy(control.data() + used + CMSG_LEN(0), &value, sizeof value);
    used += CMSG_SPACE(sizeof value);
    header.msg_control = control.data();
    header.msg_controllen = used;
  }

  void add_source(const SocketAddress& local, bool v4) {
    const IpAddress ip = v4 ? local.ip().unmapped() : local.ip();
    if (ip.is_unspecified() || ip.is_v4() != v4) return;
    if (v4) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, ip.octets().data(), sizeof info.ipi_spec_dst);
      add(IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, ip.octets().data(), sizeof info.ipi6_addr);
      info.ipi6_ifindex = ip.scope_id();
      add(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }
};

/// 0 or an errno.
int UdpSender::send_segmented(Envelope& envelope, Bytes piece, std::size_t segment_size) {
  iovec part{const_cast<std::uint8_t*>(piece.data()), piece.size()};
  msghdr header = envelope.header;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  const std::size_t used = envelope.used;
  envelope.add(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment_size));
  header.msg_control = envelope.control.data();
  header.msg_controllen = envelope.used;
  // Taken off again: the last piece of a run may be a single datagram.
  envelope.used = used;
  envelope.header.msg_controllen = used;
  return ::sendmsg(fd_, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

/// 0 or the errno that stopped it; `taken` grows by the bytes that went.
int UdpSender::send_one_by_one(Envelope& envelope, Bytes piece, std::size_t segment_size,
                               std::size_t& taken) {
  std::array<mmsghdr, max_gso_segments> headers;
  std::array<iovec, max_gso_segments> parts;
  unsigned count = 0;
  std::size_t at = 0;
  do {  // an empty piece is one empty datagram
    const Bytes datagram = piece.subspan(at, std::min(segment_size, piece.size() - at));
    parts[count] = {const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
    headers[count].msg_hdr = envelope.header;
    headers[count].msg_hdr.msg_iov = &parts[count];
    headers[count].msg_hdr.msg_iovlen = 1;
    at += datagram.size();
    ++count;
  } while (at < piece.size() && count < max_gso_segments);
  const int sent = ::sendmmsg(fd_, headers.data(), count, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return errno;
  for (int i = 0; i < sent; ++i) taken += parts[static_cast<std::size_t>(i)].iov_len;
  return 0;
}

/// Whether `error` may tell of an earlier datagram: of what ICMP says the kernel keeps one error, for the
/// next call of whatever size, and then forgets it. What the device itself refuses it refuses again.
bool UdpSender::may_be_echo(int error) const {
  return options_.connected && (error == EMSGSIZE || is_icmp_error(error));
}

UdpSender::Outcome UdpSender::send(const NetPath& to, const DatagramRun& run) {
  Outcome outcome;
  Envelope envelope(to, run.ecn, options_);
  const std::size_t whole_segments =
      run.bytes.empty() ? 1 : std::min(max_gso_segments, envelope.max_call / run.segment_size);
  bool retried = false, refused = false;
  while (true) {
    const Bytes rest = run.bytes.subspan(outcome.taken);
    const bool segmented =
        !refused && options_.segmentation && rest.size() > run.segment_size && whole_segments > 1;
    ++outcome.calls;
    int error = 0;
    if (segmented) {
      const Bytes piece = rest.first(std::min(rest.size(), whole_segments * run.segment_size));
      error = send_segmented(envelope, piece, run.segment_size);
      if (error == 0) {
        outcome.taken += piece.size();
        refusals_ = 0;
      }
      if (error == EIO || error == EINVAL) {
        // Refused, or the datagrams are longer than the device takes, for which kernels have the same number:
        // one alone tells.
        const int refusal = error;
        ++outcome.calls;
        error = send_one_by_one(envelope, rest.first(run.segment_size), run.segment_size, outcome.taken);
        refused = true;
        if (error == 0) refuse_segmentation(refusal, piece, run.segment_size);
      }
    } else {
      error = send_one_by_one(envelope, rest, run.segment_size, outcome.taken);
    }
    if (error == 0 && outcome.taken == run.bytes.size()) return outcome;
    if (error == 0 || error == EINTR) continue;
    if (may_be_echo(error) && !std::exchange(retried, true)) continue;
    outcome.error = error == EWOULDBLOCK ? EAGAIN : error;
    return outcome;
  }
}

void UdpSender::refuse_segmentation(int error, Bytes piece, std::size_t segment_size) {
  // One refusal may have had to do with the moment: a route or a device that was just being changed.
  if (++refusals_ < believed_refusals) return;
  options_.segmentation = false;
  static LogOnce once;
  if (once.first())
    log_warn(
        "the kernel or a network device refuses UDP_SEGMENT ({}, for {} bytes in datagrams of {}); its "
        "sockets send datagrams one by one",
        std::generic_category().message(error), piece.size(), segment_size);
}

}  // namespace sallyport::net
