#include "net/links.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

std::optional<Link> read_link(const nlmsghdr& message) {
  const auto* header = header_of<ifinfomsg>(message);
  if (message.nlmsg_type != RTM_NEWLINK || header == nullptr) return std::nullopt;
  const RtnetlinkAttributes attributes(message, sizeof *header);
  Link link;
  link.index = static_cast<unsigned>(header->ifi_index);
  link.name = attributes.text(IFLA_IFNAME);
  link.mtu = attributes.u32(IFLA_MTU).value_or(0);
  link.transmit_queue_length = attributes.u32(IFLA_TXQLEN).value_or(0);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.carrier = attributes.u8(IFLA_CARRIER).value_or(0) != 0;
  rtnl_link_stats64 counters{};
  // Newer kernels know more counters, which come last.
  if (const Bytes bytes = attributes.bytes(IFLA_STATS64); bytes.size() >= sizeof counters)
    std::memcpy(&counters, bytes.data(), sizeof counters);
  link.transmit_dropped = counters.tx_dropped;
  link.receive_dropped = counters.rx_dropped;
  return link;
}

Result<Link> find(Rtnetlink& netlink, RtnetlinkRequest& request, const std::string& what) {
  std::optional<Link> link;
  const Result<> done = netlink.call(request, "cannot look up " + what, [&](const nlmsghdr& message) {
    if (auto read = read_link(message)) link = std::move(read);
  });
  if (!done && done.error().code == ENODEV)
    return fail(ErrorKind::closed, fmt::format("there is no {}", what), ENODEV);
  if (!done) return std::unexpected(done.error());
  if (!link) return fail(ErrorKind::closed, fmt::format("the kernel says nothing of {}", what), ENODEV);
  return *link;
}

}  // namespace

bool is_link_name(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/: \t\n\v\f\r\0", 9)) == std::string_view::npos;
}

Result<Link> find_link(Rtnetlink& netlink, std::string_view name) {
  const std::string what = fmt::format("network device '{}'", name);
  if (!is_link_name(name)) return fail(ErrorKind::closed, "there is no " + what, ENODEV);
  RtnetlinkRequest request(RTM_GETLINK, 0);
  request.header<ifinfomsg>();
  request.put_text(IFLA_IFNAME, name);
  return find(netlink, request, what);
}

Result<Link> find_link(Rtnetlink& netlink, unsigned index) {
  RtnetlinkRequest request(RTM_GETLINK, 0);
  request.header<ifinfomsg>().ifi_index = static_cast<int>(index);
  return find(netlink, request, fmt::format("network device number {}", index));
}

Result<std::vector<Link>> list_links(Rtnetlink& netlink) {
  RtnetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.header<ifinfomsg>();
  return netlink.list<Link>(request, "cannot list the network devices", read_link);
}

Result<> change_link(Rtnetlink& netlink, const Link& link, const LinkChange& change) {
  RtnetlinkRequest request(RTM_NEWLINK, 0);
  auto& header = request.header<ifinfomsg>();
  header.ifi_index = static_cast<int>(link.index);
  std::string what;
  const auto add = [&](std::string part) { what += (what.empty() ? "" : ", ") + std::move(part); };
  if (change.up) {
    header.ifi_change = IFF_UP;
    header.ifi_flags = *change.up ? IFF_UP : 0;
    add(*change.up ? "up" : "down");
  }
  if (change.mtu) {
    request.put_u32(IFLA_MTU, static_cast<std::uint32_t>(*change.mtu));
    add(fmt::format("MTU {}", *change.mtu));
  }
  if (change.transmit_queue_length) {
    request.put_u32(IFLA_TXQLEN, static_cast<std::uint32_t>(*change.transmit_queue_length));
    add(fmt::format("transmit queue length {}", *change.transmit_queue_length));
  }
  if (change.ipv6_link_local) {
    request.put_nested(IFLA_AF_SPEC, [&] {
      request.put_nested(AF_INET6, [&] {
        request.put_u8(IFLA_INET6_ADDR_GEN_MODE,
                       *change.ipv6_link_local ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE);
      });
    });
    add(*change.ipv6_link_local ? "a link-local address" : "no link-local address");
  }
  return netlink.call(request, fmt::format("cannot set network device '{}' to {}", link.name, what));
}

Result<> remove_link(Rtnetlink& netlink, const Link& link) {
  RtnetlinkRequest request(RTM_DELLINK, 0);
  request.header<ifinfomsg>().ifi_index = static_cast<int>(link.index);
  return netlink.call(request, fmt::format("cannot remove network device '{}'", link.name));
}

}  // namespace sallyport::net
