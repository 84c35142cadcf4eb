#include "net/rtnetlink.h"

#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

// The kernel makes the messages of a dump as large as the buffer, up to this.
constexpr std::size_t buffer_size = 32 * 1024;

ErrorKind kind_of(int number) {
  switch (number) {
    case EPERM:
    case EACCES:
      return ErrorKind::denied;
    case EINVAL:
    case ERANGE:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
      return ErrorKind::usage;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
      return ErrorKind::unreachable;
    case EEXIST:
    case EBUSY:
    case ENOBUFS:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return ErrorKind::resource;
    default:
      return ErrorKind::closed;
  }
}

Error netlink_error(std::string_view what, int number, std::string_view explanation = {}) {
  const std::string text = std::generic_category().message(number);
  std::string message = explanation.empty() ? fmt::format("{}: {}", what, text)
                                            : fmt::format("{}: {} ({})", what, explanation, text);
  // Not for EACCES, which a lookup returns where a route of the type "prohibit" matches.
  if (number == EPERM) message += "; this needs CAP_NET_ADMIN";
  return Error{kind_of(number), std::move(message), static_cast<std::uint64_t>(number)};
}

/// Visits the attributes in `bytes`, which is aligned as they are.
template <class Visit>
void for_each_attribute(Bytes bytes, const Visit& visit) {
  const auto* at = reinterpret_cast<const nlattr*>(bytes.data());
  const std::uint8_t* end = bytes.data() + bytes.size();
  while (mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const std::uint8_t*>(at)))) {
    visit(at);
    at = mnl_attr_next(at);
  }
}

Bytes payload_of(const nlattr* attribute) {
  return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
          mnl_attr_get_payload_len(attribute)};
}

Bytes payload_of(const nlmsghdr& message, std::size_t skipped) {
  const std::size_t size = mnl_nlmsg_get_payload_len(&message);
  const std::size_t skip = std::min(size, MNL_ALIGN(skipped));
  return {static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(&message)) + skip, size - skip};
}

std::string text_of(const nlattr* attribute) {
  const std::string_view text = as_text(payload_of(attribute));
  return std::string(text.substr(0, text.find('\0')));
}

/// The text of the extended acknowledgement (NETLINK_EXT_ACK), which follows a copy of the request, or of the
/// request's header only.
std::string explanation_in(const nlmsghdr& message, const nlmsgerr& error) {
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  std::size_t skip = sizeof error;
  if ((message.nlmsg_flags & NLM_F_CAPPED) == 0) skip += mnl_nlmsg_get_payload_len(&error.msg);
  std::string text;
  for_each_attribute(payload_of(message, skip), [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG) text = text_of(attribute);
  });
  return text;
}

/// What a final message says: 0 or a positive errno.
Result<> outcome_of(const nlmsghdr& message, std::string_view what) {
  if (message.nlmsg_type == NLMSG_ERROR) {
    const auto* error = header_of<nlmsgerr>(message);
    if (error == nullptr) return std::unexpected(netlink_error(what, EBADMSG));
    if (error->error == 0) return {};
    return std::unexpected(netlink_error(what, -error->error, explanation_in(message, *error)));
  }
  const auto* error = header_of<int>(message);  // NLMSG_DONE
  if (error != nullptr && *error < 0) return std::unexpected(netlink_error(what, -*error));
  return {};
}

}  // namespace

RtnetlinkRequest::RtnetlinkRequest(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr* head = mnl_nlmsg_put_header(bytes_.data());
  head->nlmsg_type = type;
  // A dump ends by a message of its own; everything else is acknowledged.
  const bool dump = (flags & NLM_F_DUMP) == NLM_F_DUMP && type % 4 == RTM_GETLINK % 4;
  head->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags | (dump ? 0 : NLM_F_ACK));
}

void* RtnetlinkRequest::extra_header(std::size_t size) {
  return mnl_nlmsg_put_extra_header(&message(), size);
}

void RtnetlinkRequest::put(std::uint16_t attribute, Bytes value) {
  const bool fits = mnl_attr_put_check(&message(), bytes_.size(), attribute, value.size(), value.data());
  assert(fits);
  std::ignore = fits;
}

void RtnetlinkRequest::put_u8(std::uint16_t attribute, std::uint8_t value) {
  put(attribute, Bytes(&value, 1));
}

void RtnetlinkRequest::put_u32(std::uint16_t attribute, std::uint32_t value) {
  std::array<std::uint8_t, sizeof value> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  put(attribute, Bytes(bytes));
}

void RtnetlinkRequest::put_text(std::uint16_t attribute, std::string_view text) {
  put(attribute, as_bytes(std::string(text) + '\0'));
}

void RtnetlinkRequest::put_nested(std::uint16_t attribute, const std::function<void()>& fill) {
  nlattr* nest = mnl_attr_nest_start_check(&message(), bytes_.size(), attribute);
  assert(nest != nullptr);
  fill();
  mnl_attr_nest_end(&message(), nest);
}

RtnetlinkAttributes::RtnetlinkAttributes(const nlmsghdr& message, std::size_t header_size) {
  for_each_attribute(payload_of(message, header_size), [this](const nlattr* attribute) {
    const std::uint16_t type = mnl_attr_get_type(attribute);
    if (type < found_.size()) found_[type] = attribute;
  });
}

Bytes RtnetlinkAttributes::bytes(std::uint16_t attribute) const {
  return found_[attribute] == nullptr ? Bytes() : payload_of(found_[attribute]);
}

std::optional<std::uint32_t> RtnetlinkAttributes::u32(std::uint16_t attribute) const {
  const Bytes value = bytes(attribute);
  std::uint32_t number = 0;
  if (value.size() != sizeof number) return std::nullopt;
  std::memcpy(&number, value.data(), sizeof number);
  return number;
}

std::optional<std::uint8_t> RtnetlinkAttributes::u8(std::uint16_t attribute) const {
  const Bytes value = bytes(attribute);
  if (value.size() != 1) return std::nullopt;
  return value[0];
}

std::optional<IpAddress> RtnetlinkAttributes::address(std::uint16_t attribute) const {
  return IpAddress::from_octets(bytes(attribute));
}

std::string RtnetlinkAttributes::text(std::uint16_t attribute) const {
  return found_[attribute] == nullptr ? std::string() : text_of(found_[attribute]);
}

void Rtnetlink::Close::operator()(mnl_socket* socket) const {
  mnl_socket_close(socket);
}

Rtnetlink::Rtnetlink(std::unique_ptr<mnl_socket, Close> socket)
    : socket_(std::move(socket)), buffer_(buffer_size) {}

Result<Rtnetlink> Rtnetlink::open() {
  std::unique_ptr<mnl_socket, Close> socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (socket == nullptr || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0)
    return std::unexpected(netlink_error("cannot open a netlink socket", errno));
  // Without them, errors are only numbers.
  for (int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
    int on = 1;
    mnl_socket_setsockopt(socket.get(), option, &on, sizeof on);
  }
  return Rtnetlink(std::move(socket));
}

Result<> Rtnetlink::call(RtnetlinkRequest& request, std::string_view what,
                         const std::function<void(const nlmsghdr&)>& answer) {
  nlmsghdr& head = request.message();
  head.nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), &head, head.nlmsg_len) < 0)
    return std::unexpected(netlink_error(what, errno));
  bool changed_meanwhile = false;
  while (true) {
    const ssize_t received = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return std::unexpected(netlink_error(what, errno));
    int left = static_cast<int>(received);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data()); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_seq != sequence_) continue;  // left over from a call that failed
      changed_meanwhile = changed_meanwhile || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
        Result<> outcome = outcome_of(*message, what);
        if (outcome && changed_meanwhile) return std::unexpected(netlink_error(what, interrupted));
        return outcome;
      }
      if (answer) answer(*message);
    }
  }
}

}  // namespace sallyport::net
