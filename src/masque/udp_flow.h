// UdpFlow: the proxy's side of one CONNECT-UDP tunnel (RFC 9298): HTTP datagrams on one side, a connected UDP
// socket on the other.
#pragma once

#include "masque/flow.h"

#include <memory>
#include <vector>

namespace sallyport::masque {

class UdpFlow final : public Flow, net::DatagramReceiver {
 public:
  UdpFlow(FlowContext& context, http::Exchange& exchange, FlowClient& client, Identity identity);
  ~UdpFlow() override;

 private:
  // From the client
  void on_body(http::Exchange& exchange, Bytes body) override;
  void on_datagram(http::Exchange& exchange, Bytes datagram) override;
  void on_datagrams_writable(http::Exchange& exchange) override;
  Bytes padding_prefix() const override;
  void on_end(http::Exchange& exchange) override;
  // From the target
  void on_datagrams(const net::NetPath& from, const net::DatagramRun& run, Time now) override;
  void on_path_closed(const Error& why) override;
  // From Flow
  void on_targets(const std::vector<net::SocketAddress>& targets) override;
  void on_refused() override;
  void end_tunnel(const Error& why) override;
  Duration idle_after() const override { return context_.options.udp_idle; }

  /// Sends what waits for the target and gives the socket back. Not from inside a call of the path.
  void close_path();
  void hold_early(Bytes payload);
  /// What was held early, which the client no longer has to answer for.
  std::vector<Chunk> take_early();
  void send_up(Bytes payload);

  std::unique_ptr<net::DatagramPath> path_;
  RunGatherer::Lane lane_;
  DatagramSender sender_;
  std::vector<Chunk> early_;
  std::size_t early_bytes_ = 0;
  bool done_ = false;  // refused, or one side ended it: nothing passes any more
};

}  // namespace sallyport::masque
