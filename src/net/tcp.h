// TCP: a listener that hands out connections, and a connected ByteStream. Also the same over a Unix socket,
// for the operator.
#pragma once

#include "base/result.h"
#include "net/byte_stream.h"
#include "net/event_loop.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sallyport::net {

/// Bytes of a listener's streams, and the number of failed accepts.
struct TcpCounters {
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::uint64_t shortages = 0;  ///< connections refused or delayed: no descriptors or memory
};

struct TcpOptions {
  bool reuse_port = false;
  bool no_delay = true;
  /// Of a listener's connections: one whose peer acknowledges nothing for about this long, neither what was
  /// sent to it nor keepalive probes (RFC 9293 §3.8.4), ends with ETIMEDOUT. So does one whose peer takes
  /// nothing for as long, by a window of zero. 0: as the system does it, after hours or never.
  Duration silence_timeout{};
  /// A listener leaves this many of the process's last descriptors free for others: a connection that would
  /// use one is closed, and the listener pauses.
  unsigned leave_descriptors = 0;
  TcpCounters* counters = nullptr;  ///< may be null; outlives the listener and its streams
};

class TcpListener {
 public:
  /// May close or destroy the listener.
  using Accepted = std::function<void(std::unique_ptr<ByteStream>)>;
  /// Out of descriptors: pauses for a moment, keeps listening, and logs it once.
  static Result<std::unique_ptr<TcpListener>> listen(EventLoop& loop, const SocketAddress& local,
                                                     const TcpOptions& options, Accepted accepted);
  /// The same on a Unix socket at `path`, see listen_on_unix_socket(). Its addresses are default ones.
  static Result<std::unique_ptr<TcpListener>> listen_unix(EventLoop& loop, const std::string& path,
                                                          const TcpOptions& options, Accepted accepted);
  virtual ~TcpListener() = default;
  virtual SocketAddress local() const = 0;
  virtual void close() = 0;
};

/// Destroying it before its callback ran cancels the connect.
class TcpConnecting {
 public:
  virtual ~TcpConnecting() = default;
};

/// May destroy the TcpConnecting. Never runs inside tcp_connect.
using TcpConnected = std::function<void(Result<std::unique_ptr<ByteStream>>)>;
/// One of several addresses could not be reached. Must not destroy the TcpConnecting.
using TcpAddressFailed = std::function<void(const Error&)>;
std::unique_ptr<TcpConnecting> tcp_connect(EventLoop& loop, const SocketAddress& remote, Duration timeout,
                                           const TcpOptions& options, TcpConnected connected);

}  // namespace sallyport::net
