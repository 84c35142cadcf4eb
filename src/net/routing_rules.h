// The kernel's routing rules (ip-rule(8)): which table a packet's destination is looked up in, and in what
// order. With a table of its own and rules a program routes packets elsewhere without touching a route of
// anybody else's.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/rtnetlink.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::net {

enum class RuleAction : std::uint8_t {
  look_up,      ///< in a table; what is not found there is up to the next rule
  unreachable,  ///< none of the next rules counts
};

struct RoutingRule {
  bool v4 = true;
  std::uint32_t priority = 0;  ///< the lowest is asked first; the local table is 0, the main one 32,766
  RuleAction action = RuleAction::look_up;
  std::uint32_t table = 0;              ///< of look_up alone
  std::optional<IpPrefix> destination;  ///< of the packets that it is for; nullopt: all
  std::optional<IpPrefix> source;       ///< likewise
  std::string out_link;                 ///< of sockets bound to the device with this name; empty: of all
  /// Routes of the table no longer than this do not count: 0 leaves out its default route.
  std::optional<std::uint32_t> suppress_prefix_length;
  std::uint8_t protocol = 4;  ///< who made it, as Route::protocol
  friend bool operator==(const RoutingRule&, const RoutingRule&) = default;
};

/// Errors: code EEXIST where there is the same.
Result<> add_rule(Rtnetlink& netlink, const RoutingRule& rule);
/// Errors: code ENOENT where there is none such.
Result<> remove_rule(Rtnetlink& netlink, const RoutingRule& rule);
/// Of both IP versions; what else than this a rule says is left out.
Result<std::vector<RoutingRule>> list_rules(Rtnetlink& netlink);

}  // namespace sallyport::net
