// TcpFlow: the proxy's side of one CONNECT tunnel (RFC 9110 §9.3.6): the exchange's body on one side, a TCP
// connection on the other, with a Pump for each direction.
#pragma once

#include "masque/pump.h"
#include "masque/target_flow.h"
#include "net/byte_stream.h"
#include "net/tcp.h"

#include <memory>
#include <vector>

namespace sallyport::masque {

class TcpFlow final : public TargetFlow, net::ByteStreamReceiver {
 public:
  TcpFlow(FlowContext& context, http::Exchange& exchange, TunnelAccount account);
  ~TcpFlow() override;

 private:
  // From the client
  void on_body(http::Exchange& exchange, Bytes body) override;
  void on_end(http::Exchange& exchange) override;
  void on_writable(http::Exchange& exchange) override;
  // From the target
  void on_bytes(Bytes bytes) override;
  void on_end() override;
  void on_stream_writable() override;
  void on_stream_error(const Error& why) override;
  // From TargetFlow
  void on_targets(const std::vector<net::SocketAddress>& targets) override;
  void on_refused() override;
  void end_tunnel(const Error& why) override;
  bool lingers(const Error* why) override;

  void on_connected(Result<std::unique_ptr<net::ByteStream>> stream);
  void stop();
  /// Refused, reset or idle.
  bool failed() const { return up_.stopped(); }
  void on_linger(Time now);

  std::unique_ptr<net::TcpConnecting> connecting_;
  std::unique_ptr<net::ByteStream> stream_;
  ExchangeEnd client_end_{http::ResetCode::connect_error};
  StreamEnd target_end_;
  Pump up_{client_end_, target_end_};  // holds what comes before the target answered
  Pump down_{target_end_, client_end_};
  net::Timer linger_;
  Time linger_until_ = never;
};

}  // namespace sallyport::masque
