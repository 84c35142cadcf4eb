// Rtnetlink: requests to the kernel about links, addresses and routes (rtnetlink(7)), with its answers and
// errors as values. net/links.h, net/interface_addresses.h and net/routes.h are built on it.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "net/address.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <linux/netlink.h>

struct mnl_socket;

namespace sallyport::net {

/// A message under construction: the header of its family (ifinfomsg, ifaddrmsg, rtmsg), then attributes.
class RtnetlinkRequest {
 public:
  /// `flags` besides NLM_F_REQUEST, such as NLM_F_CREATE or NLM_F_DUMP.
  RtnetlinkRequest(std::uint16_t type, std::uint16_t flags);
  RtnetlinkRequest(const RtnetlinkRequest&) = delete;
  RtnetlinkRequest& operator=(const RtnetlinkRequest&) = delete;

  /// Adds the zeroed header of the family; before any attribute.
  template <class Header>
  Header& header() {
    return *static_cast<Header*>(extra_header(sizeof(Header)));
  }
  void put(std::uint16_t attribute, Bytes value);
  void put(std::uint16_t attribute, const IpAddress& address) { put(attribute, address.octets()); }
  void put_u8(std::uint16_t attribute, std::uint8_t value);
  void put_u32(std::uint16_t attribute, std::uint32_t value);
  void put_text(std::uint16_t attribute, std::string_view text);
  /// Attributes put in `fill` are nested in this one.
  void put_nested(std::uint16_t attribute, const std::function<void()>& fill);

 private:
  friend class Rtnetlink;
  void* extra_header(std::size_t size);
  nlmsghdr& message() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  // Far more than the few attributes of any request here; a name is checked before it comes here.
  alignas(nlmsghdr) std::array<std::uint8_t, 1024> bytes_{};
};

/// The attributes of a received message, by their numbers; valid as long as the message.
class RtnetlinkAttributes {
 public:
  /// `header_size` is that of the family's header, which the message has in full.
  RtnetlinkAttributes(const nlmsghdr& message, std::size_t header_size);
  /// Empty where the attribute is missing.
  Bytes bytes(std::uint16_t attribute) const;
  std::optional<std::uint32_t> u32(std::uint16_t attribute) const;
  std::optional<std::uint8_t> u8(std::uint16_t attribute) const;
  std::optional<IpAddress> address(std::uint16_t attribute) const;
  std::string text(std::uint16_t attribute) const;

 private:
  std::array<const nlattr*, 80> found_{};
};

/// The family's header at the start of a message; nullptr where the message is too short for it.
template <class Header>
const Header* header_of(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(Header))) return nullptr;
  return static_cast<const Header*>(NLMSG_DATA(&message));
}

/// Sees and changes the network namespace of the thread that opened it. Calls wait for the kernel's answer,
/// which comes at once.
class Rtnetlink {
 public:
  static Result<Rtnetlink> open();

  /// Errors: "WHAT: the kernel's own explanation, where it gave one (the text of errno)", with errno as code.
  /// `answer` gets each message that comes before the final one.
  Result<> call(RtnetlinkRequest& request, std::string_view what,
                const std::function<void(const nlmsghdr&)>& answer = {});

  /// A dump: what `read` makes of each message, without those of which it makes nothing.
  template <class Item>
  Result<std::vector<Item>> list(RtnetlinkRequest& request, std::string_view what,
                                 const std::function<std::optional<Item>(const nlmsghdr&)>& read) {
    std::vector<Item> items;
    for (int attempt = 0;; ++attempt) {
      items.clear();
      Result<> done = call(request, what, [&](const nlmsghdr& message) {
        if (auto item = read(message)) items.push_back(std::move(*item));
      });
      if (done) return items;
      // Something changed in the middle of the dump.
      if (done.error().code != interrupted || attempt == max_attempts)
        return std::unexpected(std::move(done.error()));
    }
  }

 private:
  static constexpr std::uint64_t interrupted = 4;  // EINTR
  static constexpr int max_attempts = 10;

  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  explicit Rtnetlink(std::unique_ptr<mnl_socket, Close> socket);

  std::unique_ptr<mnl_socket, Close> socket_;
  std::vector<std::uint8_t> buffer_;
  std::uint32_t sequence_ = 0;
};

}  // namespace sallyport::net
