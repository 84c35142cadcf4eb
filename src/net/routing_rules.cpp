#include "net/routing_rules.h"

#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

Result<> change(Rtnetlink& netlink, std::uint16_t type, std::uint16_t flags, const RoutingRule& rule,
                std::string_view verb) {
  RtnetlinkRequest request(type, flags);
  auto& header = request.header<fib_rule_hdr>();
  header.family = rule.v4 ? AF_INET : AF_INET6;
  header.action = rule.action == RuleAction::look_up ? FR_ACT_TO_TBL : FR_ACT_UNREACHABLE;
  header.table = rule.table < 256 ? static_cast<std::uint8_t>(rule.table) : std::uint8_t{RT_TABLE_UNSPEC};
  if (rule.destination) {
    header.dst_len = static_cast<std::uint8_t>(rule.destination->length());
    request.put(FRA_DST, rule.destination->address());
  }
  if (rule.source) {
    header.src_len = static_cast<std::uint8_t>(rule.source->length());
    request.put(FRA_SRC, rule.source->address());
  }
  if (!rule.out_link.empty()) request.put_text(FRA_OIFNAME, rule.out_link);
  if (rule.action == RuleAction::look_up) request.put_u32(FRA_TABLE, rule.table);
  request.put_u32(FRA_PRIORITY, rule.priority);
  if (rule.suppress_prefix_length) request.put_u32(FRA_SUPPRESS_PREFIXLEN, *rule.suppress_prefix_length);
  request.put_u8(FRA_PROTOCOL, rule.protocol);
  return netlink.call(request, fmt::format("cannot {} the IPv{} routing rule {}", verb, rule.v4 ? 4 : 6,
                                           rule.action == RuleAction::look_up
                                               ? fmt::format("for table {}", rule.table)
                                               : fmt::format("with priority {}", rule.priority)));
}

std::optional<RoutingRule> read_rule(const nlmsghdr& message) {
  const auto* header = header_of<fib_rule_hdr>(message);
  if (message.nlmsg_type != RTM_NEWRULE || header == nullptr ||
      (header->action != FR_ACT_TO_TBL && header->action != FR_ACT_UNREACHABLE))
    return std::nullopt;
  if (header->family != AF_INET && header->family != AF_INET6) return std::nullopt;
  const RtnetlinkAttributes attributes(message, sizeof *header);
  RoutingRule rule;
  rule.v4 = header->family == AF_INET;
  rule.priority = attributes.u32(FRA_PRIORITY).value_or(0);
  if (header->action == FR_ACT_UNREACHABLE)
    rule.action = RuleAction::unreachable;
  else
    rule.table = attributes.u32(FRA_TABLE).value_or(header->table);
  if (const auto to = attributes.address(FRA_DST)) rule.destination = IpPrefix(*to, header->dst_len);
  if (const auto from = attributes.address(FRA_SRC)) rule.source = IpPrefix(*from, header->src_len);
  rule.out_link = attributes.text(FRA_OIFNAME);
  // The kernel says -1 where there is none.
  if (const auto length = attributes.u32(FRA_SUPPRESS_PREFIXLEN); length && *length <= 128)
    rule.suppress_prefix_length = length;
  rule.protocol = attributes.u8(FRA_PROTOCOL).value_or(0);
  return rule;
}

}  // namespace

Result<> add_rule(Rtnetlink& netlink, const RoutingRule& rule) {
  return change(netlink, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, "add");
}

Result<> remove_rule(Rtnetlink& netlink, const RoutingRule& rule) {
  return change(netlink, RTM_DELRULE, 0, rule, "remove");
}

Result<std::vector<RoutingRule>> list_rules(Rtnetlink& netlink) {
  std::vector<RoutingRule> all;
  for (const unsigned char family : {AF_INET, AF_INET6}) {
    RtnetlinkRequest request(RTM_GETRULE, NLM_F_DUMP);
    request.header<fib_rule_hdr>().family = family;
    auto rules = netlink.list<RoutingRule>(request, "cannot list the routing rules", read_rule);
    if (!rules) return std::unexpected(std::move(rules.error()));
    all.insert(all.end(), rules->begin(), rules->end());
  }
  return all;
}

}  // namespace sallyport::net
