#include "lease_tunnel.h"

#include "masque/uri_template.h"
#include "net/ip_packet.h"

#include <algorithm>
#include <array>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

http::Request request_for(const LeaseTunnel::Options& options) {
  http::Request request;
  request.method = "CONNECT";
  request.protocol = "connect-ip";
  request.authority = "gateway.sim.test";
  request.path = masque::ProxyTemplate::parse("https://gateway.sim.test", masque::Protocol::ip)
                     ->expand(options.scope)
                     .value();
  request.fields.add("capsule-protocol", "?1");
  if (!options.token.empty()) request.fields.add("authorization", "Bearer " + options.token);
  return request;
}

}  // namespace

LeaseTunnel::LeaseTunnel(Watcher& watcher, http::Connection& connection, Options options)
    : watcher_(watcher),
      options_(std::move(options)),
      exchange_(&connection.request(request_for(options_), *this, false)) {
  exchange_->use_capsules();
}

bool LeaseTunnel::has(const net::IpAddress& address) const {
  return std::ranges::find(addresses_, address) != addresses_.end() ||
         (network_ && network_->contains(address));
}

void LeaseTunnel::request_addresses(std::span<const net::IpPrefix> wanted) {
  if (ended_) return;
  std::vector<masque::RequestedAddress> requests;
  for (const net::IpPrefix& each : wanted) {
    requests.push_back({++last_request_, each});
    unanswered_.insert(last_request_);
  }
  last_asked_ = exchange_->connection().timers().now();
  exchange_->send_capsule(masque::capsule_address_request, masque::write_address_request(requests));
}

void LeaseTunnel::advertise(const net::IpPrefix& network) {
  if (ended_) return;
  network_ = network;
  const std::array ranges{masque::range_of(network)};
  exchange_->send_capsule(masque::capsule_route_advertisement, *masque::write_route_advertisement(ranges));
}

void LeaseTunnel::send(Bytes packet) {
  constexpr std::uint8_t context = 0;
  if (!ended_) exchange_->send_datagram({&context, 1}, packet);
}

void LeaseTunnel::finish() {
  if (!std::exchange(ended_, true)) exchange_->finish();
}

void LeaseTunnel::reset() {
  if (!std::exchange(ended_, true)) exchange_->reset(http::ResetCode::cancelled);
}

void LeaseTunnel::on_response(http::Exchange&, const http::Response& head) {
  status_ = head.status;
  if (status_ != 200) refusal_ = std::string(head.fields.find("proxy-status").value_or(""));
}

void LeaseTunnel::on_body(http::Exchange& exchange, Bytes body) {
  exchange.consume(body.size());
}

void LeaseTunnel::on_datagram(http::Exchange&, Bytes datagram) {
  // Of other contexts are the probes of the path's MTU.
  if (ended_ || datagram.empty() || datagram[0] != 0) return;
  const Bytes packet = datagram.subspan(1);
  const auto parsed = net::parse_ip(packet);
  ASSERT_TRUE(parsed);
  const bool destined = has(parsed->destination);
  const bool may_be_early = addresses_.empty() || !unanswered_.empty();
  if (!destined && may_be_early) return early_.push_back(parsed->destination);
  watcher_.on_packet(*this, packet, destined);
}

Result<> LeaseTunnel::on_capsule(http::Exchange& exchange, std::uint64_t type, Bytes value) {
  exchange.consume(value.size());
  if (ended_ || type != masque::capsule_address_assign) return {};
  const auto assigned = masque::parse_address_assign(value);
  if (!assigned) return std::unexpected(assigned.error());
  assign(*assigned);
  return {};
}

void LeaseTunnel::assign(std::span<const masque::AssignedAddress> assigned) {
  const std::vector<net::IpAddress> before = std::exchange(addresses_, {});
  for (const masque::AssignedAddress& each : assigned) {
    unanswered_.erase(each.request_id);
    if (each.is_rejection()) {
      ++rejections_;
      continue;
    }
    EXPECT_EQ(each.prefix.length(), each.prefix.address().octets().size() * 8) << "a lease is one address";
    EXPECT_TRUE(each.prefix.address().is_v4() ? options_.v4 : options_.v6) << "there is no route for it";
    EXPECT_EQ(std::ranges::find(addresses_, each.prefix.address()), addresses_.end());
    addresses_.push_back(each.prefix.address());
  }
  for (const net::IpAddress& address : before) EXPECT_TRUE(has(address)) << "what is leased stays leased";
  for (const net::IpAddress& address : std::exchange(early_, {})) {
    if (!unanswered_.empty() && !has(address))
      early_.push_back(address);
    else
      EXPECT_TRUE(has(address)) << "a packet for " << address.to_string();
  }
  if (before.empty()) assigned_at_ = exchange_->connection().timers().now();
  if (addresses_.size() > before.size()) watcher_.on_assigned(*this);
}

void LeaseTunnel::gone(const std::string& why) {
  if (!std::exchange(ended_, true)) watcher_.on_gone(*this, why);
}

void LeaseTunnel::on_end(http::Exchange& exchange) {
  if (ended_) return;
  exchange.finish();
  gone(status_ == 200 ? "ended by the gateway" : refusal_);
}

void LeaseTunnel::on_closed(http::Exchange&, const Error* why) {
  exchange_ = nullptr;
  gone(why != nullptr ? why->message : "closed");
}

}  // namespace sallyport::sim
