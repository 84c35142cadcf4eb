#include "net/interface_addresses.h"

#include <optional>

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

Result<> change(Rtnetlink& netlink, std::uint16_t type, std::uint16_t flags, const InterfaceAddress& address,
                std::string_view verb) {
  RtnetlinkRequest request(type, flags);
  auto& header = request.header<ifaddrmsg>();
  header.ifa_family = address.address.is_v4() ? AF_INET : AF_INET6;
  header.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix_length);
  header.ifa_index = address.link;
  // The two differ only where the peer of a point-to-point link has an address of its own.
  request.put(IFA_LOCAL, address.address);
  request.put(IFA_ADDRESS, address.address);
  if (type == RTM_NEWADDR && address.address.is_v6()) request.put_u32(IFA_FLAGS, IFA_F_NODAD);
  return netlink.call(
      request, fmt::format("cannot {} {}/{}", verb, address.address.to_string(), address.prefix_length));
}

std::optional<InterfaceAddress> read_address(const nlmsghdr& message) {
  const auto* header = header_of<ifaddrmsg>(message);
  if (message.nlmsg_type != RTM_NEWADDR || header == nullptr) return std::nullopt;
  const RtnetlinkAttributes attributes(message, sizeof *header);
  // IPv6 has IFA_LOCAL only where the peer has an address of its own.
  auto address = attributes.address(IFA_LOCAL);
  if (!address) address = attributes.address(IFA_ADDRESS);
  if (!address) return std::nullopt;
  return InterfaceAddress{header->ifa_index, *address, header->ifa_prefixlen};
}

}  // namespace

Result<> add_address(Rtnetlink& netlink, const InterfaceAddress& address) {
  return change(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address, "add the address");
}

Result<> remove_address(Rtnetlink& netlink, const InterfaceAddress& address) {
  return change(netlink, RTM_DELADDR, 0, address, "remove the address");
}

Result<std::vector<InterfaceAddress>> list_addresses(Rtnetlink& netlink, unsigned link) {
  RtnetlinkRequest request(RTM_GETADDR, NLM_F_DUMP);
  request.header<ifaddrmsg>();
  return netlink.list<InterfaceAddress>(request, "cannot list the addresses of this machine",
                                        [link](const nlmsghdr& message) {
                                          auto address = read_address(message);
                                          if (address && link != 0 && address->link != link) address.reset();
                                          return address;
                                        });
}

}  // namespace sallyport::net
