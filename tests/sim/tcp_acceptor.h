// TcpAcceptor: a listening TCP socket of a Host, and the connections that wait to be handed to its program.
#pragma once

#include "base/lifetime.h"
#include "net/tcp.h"
#include "net/timers.h"
#include "tcp_stream.h"

#include <memory>
#include <vector>

namespace sallyport::sim {

class TcpHost;

class TcpAcceptor final : public net::TcpListener {
 public:
  TcpAcceptor(TcpHost& host, const net::SocketAddress& local, const net::TcpOptions& options,
              Accepted accepted);
  ~TcpAcceptor() override;

  net::SocketAddress local() const override { return local_; }
  /// Who waits gets a RST.
  void close() override;

  const net::TcpOptions& options() const { return options_; }
  void add(std::unique_ptr<TcpStream> stream);

 private:
  void hand_out();

  TcpHost& host_;
  const net::SocketAddress local_;
  const net::TcpOptions options_;
  const Accepted accepted_;
  std::vector<std::unique_ptr<TcpStream>> waiting_;
  bool is_open_ = true;
  net::Deferred hand_out_;
  Lifetime lifetime_;
};

}  // namespace sallyport::sim
