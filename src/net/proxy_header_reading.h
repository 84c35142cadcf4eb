// ProxyHeaderReading: takes the PROXY header off the front of an accepted stream, and hands out the stream as
// if it came from the client that the header names.
#pragma once

#include "base/result.h"
#include "net/byte_stream.h"
#include "net/timers.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace sallyport::net {

/// Of a stream with a PROXY header.
struct HeadedStream {
  std::unique_ptr<ByteStream> stream;  ///< what follows the header; its net_path() has the client's address
  bool names_client = false;           ///< else that address is the connection's own
};

/// In progress; destroying it before its callback cancels it, and closes the stream.
class ProxyHeaderReading final : private ByteStreamReceiver {
 public:
  /// Calls back once, from the deferred work of a turn; this may be destroyed then. The stream is not yet
  /// reading: set a receiver, then set_reading(true). Error kinds: protocol (malformed, or no header),
  /// timeout, and closed or the stream's own (it ended before the header was complete).
  using Done = std::function<void(Result<HeadedStream>)>;
  ProxyHeaderReading(Timers& timers, std::unique_ptr<ByteStream> stream, Duration timeout, Done done);
  ~ProxyHeaderReading();
  ProxyHeaderReading(const ProxyHeaderReading&) = delete;
  ProxyHeaderReading& operator=(const ProxyHeaderReading&) = delete;

 private:
  void finish(std::optional<Error> error);
  void call_back();

  void on_bytes(Bytes bytes) override;
  void on_end() override;
  void on_stream_error(const Error& why) override;

  Timers& timers_;
  std::unique_ptr<ByteStream> stream_;
  Done done_;
  std::vector<std::uint8_t> header_;  // as far as it has come
  std::optional<SocketAddress> source_;
  Chunk rest_;  // came with the header's last bytes
  std::optional<Error> error_;
  Timer timer_;
  Deferred call_back_;
};

}  // namespace sallyport::net
