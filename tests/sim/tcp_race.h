// TcpRace: what Host::open_tcp() does: connects to several addresses, one after the other and then at once,
// as the kernel's Outbound does (RFC 8305 §5).
#pragma once

#include "net/attempt_schedule.h"
#include "net/tcp.h"
#include "net/timers.h"
#include "tcp_stream.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace sallyport::sim {

class TcpHost;

class TcpRace final : public net::TcpConnecting {
 public:
  TcpRace(TcpHost& host, std::vector<net::SocketAddress> targets, Duration timeout,
          net::TcpConnected connected, net::TcpAddressFailed failed);

 private:
  void start(std::size_t number);
  void on_result(std::size_t number, Result<> result);
  void end(Result<std::unique_ptr<net::ByteStream>> result);
  void answer();

  TcpHost& host_;
  const std::vector<net::SocketAddress> targets_;
  net::TcpConnected connected_;
  net::TcpAddressFailed failed_;
  std::vector<std::unique_ptr<TcpStream>> attempts_;  // in the order of targets_
  std::size_t running_ = 0;
  std::optional<Result<std::unique_ptr<net::ByteStream>>> result_;
  net::AttemptSchedule schedule_;
  net::Timer time_out_;
  net::Deferred answer_;
};

}  // namespace sallyport::sim
