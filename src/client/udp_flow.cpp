#include "client/udp_flow.h"

#include <algorithm>
#include <utility>

namespace sallyport::client {

UdpFlow::UdpFlow(Owner& owner, const net::IpPacket& parsed, Bytes first)
    : owner_(owner), pair_(address_pair_of(parsed)), quoted_(parsed) {
  const std::size_t size = std::min<std::size_t>(quote_.size(), parsed.total_length);
  copy_bytes(first.first(size), quote_.data());
  quoted_.total_length = static_cast<std::uint32_t>(size);
}

UdpFlow::~UdpFlow() {
  if (tunnel_) tunnel_->set_receiver(nullptr);
}

void UdpFlow::ask(http::Connection& connection, const masque::ProxyTemplate& proxy,
                  const http::Fields& fields) {
  connection_ = &connection;
  tunnel_ = std::make_unique<masque::UdpTunnel>(
      connection, proxy, masque::Target{pair_.destination.to_string(), pair_.destination_port}, fields,
      masque::TunnelEvents{[this](const std::string&) {
                             open_ = true;
                             owner_.on_flow_open(*this);
                           },
                           [this](const Error& why) { owner_.on_flow_closed(*this, why); }});
  tunnel_->set_receiver(this);
  // These packets are no sender's that could wait: the queue drops those that do for too long, and no flow
  // holds up another.
  tunnel_->set_when_full(http::WhenFull::drop);
  for (const Waiting& run : std::exchange(waiting_, {})) {
    [[maybe_unused]] const auto status = send({run.bytes, run.segment_size});
  }
  waiting_bytes_ = 0;
}

net::SendStatus UdpFlow::send(const net::DatagramRun& run) {
  if (refusal_) return net::SendStatus::dropped;
  if (!tunnel_) {
    if (waiting_.size() == max_waiting ||
        (!waiting_.empty() && waiting_bytes_ + run.bytes.size() > max_waiting_bytes))
      return net::SendStatus::dropped;
    waiting_.push_back({{run.bytes.begin(), run.bytes.end()}, run.segment_size});
    waiting_bytes_ += run.bytes.size();
    return net::SendStatus::sent;
  }
  if (stuck_) return net::SendStatus::dropped;
  const net::SendStatus status = tunnel_->send({}, run);
  if (status != net::SendStatus::blocked) return status;
  stuck_ = true;
  // A flow that is not open yet may wait long for its answer, which is no reason to hold others back.
  if (!open_) return net::SendStatus::sent;
  blocked_ = true;
  return net::SendStatus::blocked;
}

std::size_t UdpFlow::waiting() const {
  std::size_t datagrams = 0;
  for (const Waiting& run : waiting_)
    datagrams += std::max<std::size_t>(net::DatagramRun{run.bytes, run.segment_size}.count(), 1);
  return datagrams;
}

void UdpFlow::refuse(net::IcmpError why) {
  refusal_ = why;
  open_ = stuck_ = blocked_ = false;
  waiting_.clear();
  waiting_bytes_ = 0;
  if (tunnel_) tunnel_->set_receiver(nullptr);
  tunnel_.reset();
  connection_ = nullptr;
}

std::optional<std::size_t> UdpFlow::max_payload() const {
  if (!tunnel_) return std::nullopt;
  return tunnel_->max_datagram_size();
}

void UdpFlow::on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time now) {
  owner_.on_flow_payload(*this, run.bytes, now);
}

void UdpFlow::on_path_writable(Time now) {
  stuck_ = false;
  if (std::exchange(blocked_, false)) owner_.on_flow_writable(*this, now);
}

void UdpFlow::on_max_datagram_size(std::size_t) {
  owner_.on_flow_size();
}

}  // namespace sallyport::client
