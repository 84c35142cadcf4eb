// UdpFlow: the proxy's side of one CONNECT-UDP tunnel (RFC 9298): HTTP datagrams on one side, a connected UDP
// socket on the other.
#pragma once

#include "masque/context_table.h"
#include "masque/target_flow.h"

#include <deque>
#include <memory>
#include <vector>

namespace sallyport::masque {

class UdpFlow final : public TargetFlow, net::DatagramReceiver {
 public:
  UdpFlow(FlowContext& context, http::Exchange& exchange, TunnelAccount account);
  ~UdpFlow() override;

 private:
  // From the client
  void on_body(http::Exchange& exchange, Bytes body) override;
  void on_datagram(http::Exchange& exchange, Bytes datagram) override;
  void on_datagrams_writable(http::Exchange& exchange) override;
  void on_datagram_dropped(http::Exchange& exchange, http::DatagramDrop why) override;
  Bytes padding_prefix() const override;
  bool is_padding(Bytes datagram) const override;
  void on_end(http::Exchange& exchange) override;
  // From the target
  void on_datagrams(const net::NetPath& from, const net::DatagramRun& run, Time now) override;
  void on_unreachable(net::Unreachable kind, const Error& why) override;
  // From TargetFlow
  void on_targets(const std::vector<net::SocketAddress>& targets) override;
  void on_refused() override;
  void end_tunnel(const Error& why) override;

  /// Sends what waits for the target and gives the socket back. Not from inside a call of the path.
  void close_path();
  /// False: there is no room.
  bool hold(Bytes payload);
  void send_held();
  void drop_held();
  void send_up(Bytes payload);
  /// Opens a socket towards the first of `others_` that there is a route to, and takes off all up to it.
  Result<net::SocketAddress> open_path();
  /// As if the target had one address only.
  void forget_others();

  ContextTable contexts_;
  std::unique_ptr<net::DatagramPath> path_;
  RunGatherer::Lane lane_;
  DatagramSender sender_;
  std::deque<net::SocketAddress> others_;  // addresses of the target to go on with; until something comes
  /// As long as a connection attempt may take: after that, what was sent first is of no more use, and holds
  /// what the client's downlink may need.
  net::Timer others_end_;
  // What waits for the target to be found; then, for as long as there are others, what was sent to it.
  std::vector<Chunk> held_;
  std::size_t held_bytes_ = 0;
  bool done_ = false;  // refused, or one side ended it: nothing passes any more
};

}  // namespace sallyport::masque
