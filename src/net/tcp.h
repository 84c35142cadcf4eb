// TCP: a listener that hands out connections, and a connected ByteStream.
#pragma once

#include "base/result.h"
#include "net/byte_stream.h"
#include "net/event_loop.h"

#include <functional>
#include <memory>

namespace sallyport::net {

struct TcpOptions {
  bool reuse_port = false;
  bool no_delay = true;
};

class TcpListener {
 public:
  /// May close or destroy the listener.
  using Accepted = std::function<void(std::unique_ptr<ByteStream>)>;
  /// Out of descriptors: pauses for a moment, keeps listening, and says so once in the log.
  static Result<std::unique_ptr<TcpListener>> listen(EventLoop& loop, const SocketAddress& local,
                                                     const TcpOptions& options, Accepted accepted);
  virtual ~TcpListener() = default;
  virtual SocketAddress local() const = 0;
  virtual void close() = 0;
};

/// Cancels a connect when destroyed before its callback ran.
class TcpConnecting {
 public:
  virtual ~TcpConnecting() = default;
};

/// May destroy the TcpConnecting. Never runs inside tcp_connect.
using TcpConnected = std::function<void(Result<std::unique_ptr<ByteStream>>)>;
std::unique_ptr<TcpConnecting> tcp_connect(EventLoop& loop, const SocketAddress& remote, Duration timeout,
                                           const TcpOptions& options, TcpConnected connected);

}  // namespace sallyport::net
