#include "gateway/lease_page.h"

#include "gateway/access_format.h"
#include "trace/json_text.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

struct OpenLease {
  const masque::IpTunnelFigures* tunnel;
  std::size_t worker;
};

/// By address, as an operator looks for one.
std::vector<OpenLease> in_order(const Leases& leases) {
  std::vector<OpenLease> all;
  for (std::size_t i = 0; i < leases.open.size(); ++i)
    for (const auto& tunnel : leases.open[i]) all.push_back({&tunnel, i});
  std::ranges::sort(all, {}, [](const OpenLease& each) -> const auto& { return each.tunnel->addresses; });
  return all;
}

/// A client without an identity: its IPv4 address or IPv6 /64.
std::string block_of(const masque::ClientKey& client) {
  const net::IpAddress& address = *client.address();
  return address.is_v4() ? address.to_string() : net::IpPrefix(address, 64).to_string();
}

template <class Items>
std::string listed(const Items& items) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text.push_back(',');
    text += item.to_string();
  }
  return text.empty() ? "-" : text;
}

template <class Items>
void add_list(trace::JsonText& json, std::string_view name, const Items& items) {
  json.array(name);
  for (const auto& item : items) json.text(item.to_string());
  json.end_array();
}

std::string since(const masque::IpTunnelFigures& tunnel, WallTime now) {
  return timestamp(now - tunnel.open_for);
}

net::SocketAddress unmapped(const net::SocketAddress& address) {
  return {address.ip().unmapped(), address.port()};
}

}  // namespace

std::string leases_as_text(const Leases& leases, WallTime now) {
  std::string text =
      "STATE\tADDRESSES\tIDENTITY\tCLIENT\tVERSION\tWORKER\tSINCE\tPACKETS_UP\tBYTES_UP\tPACKETS_DOWN\t"
      "BYTES_DOWN\tDROPPED\tNETWORKS\n";
  const auto out = std::back_inserter(text);
  for (const auto& [tunnel, worker] : in_order(leases))
    fmt::format_to(out, "open\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", listed(tunnel->addresses),
                   tunnel->identity.empty() ? "-" : tunnel->identity, unmapped(tunnel->client).to_string(),
                   http::to_string(tunnel->version), worker, since(*tunnel, now), tunnel->packets_up,
                   tunnel->bytes_up, tunnel->packets_down, tunnel->bytes_down, tunnel->dropped_queue,
                   listed(tunnel->networks));
  for (const auto& [address, client] : leases.remembered)
    fmt::format_to(out, "kept\t{}\t{}\t{}\t-\t-\t-\t-\t-\t-\t-\t-\t-\n", address.to_string(),
                   client.identity() != nullptr ? *client.identity() : "-",
                   client.identity() != nullptr ? "-" : block_of(client));
  return text;
}

std::string leases_as_json(const Leases& leases, WallTime now) {
  std::string text;
  trace::JsonText json(text);
  json.begin_array();
  for (const auto& [tunnel, worker] : in_order(leases)) {
    json.begin_object();
    json.text("state", "open");
    add_list(json, "addresses", tunnel->addresses);
    if (!tunnel->identity.empty()) json.text("identity", tunnel->identity);
    json.text("client", tunnel->client.ip().unmapped().to_string());
    json.number("client_port", tunnel->client.port());
    json.text("version", http::to_string(tunnel->version));
    json.number("worker", worker);
    json.text("since", since(*tunnel, now));
    json.number("packets_up", tunnel->packets_up);
    json.number("bytes_up", tunnel->bytes_up);
    json.number("packets_down", tunnel->packets_down);
    json.number("bytes_down", tunnel->bytes_down);
    json.number("dropped", tunnel->dropped_queue);
    if (!tunnel->networks.empty()) add_list(json, "networks", tunnel->networks);
    json.end_object();
  }
  for (const auto& [address, client] : leases.remembered) {
    json.begin_object();
    json.text("state", "kept");
    add_list(json, "addresses", std::vector{address});
    if (client.identity() != nullptr)
      json.text("identity", *client.identity());
    else
      json.text("client", block_of(client));
    json.end_object();
  }
  json.end_array();
  text.push_back('\n');
  return text;
}

}  // namespace sallyport::gateway
