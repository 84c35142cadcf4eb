// TcpFlow: the proxy's side of one CONNECT tunnel (RFC 9110 §9.3.6): the exchange's body on one side, a TCP
// connection on the other, each paused while the other cannot take more. Either side may end its direction
// alone.
#pragma once

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
  void give_credit();
  void on_linger(Time now);

  std::unique_ptr<net::TcpConnecting> connecting_;
  std::unique_ptr<net::ByteStream> stream_;
  std::vector<Chunk> early_;  // came before the target answered; bounded by the credit that is not given back
  std::size_t unconsumed_ = 0;  // bytes from the client whose credit waits for the target
  net::Timer linger_;
  Time linger_until_ = never;
  bool client_ended_ = false;
  bool failed_ = false;  // refused, reset or idle
};

}  // namespace sallyport::masque
