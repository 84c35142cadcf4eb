// ClearTextRefusal: answers a client that sends plain HTTP to an HTTPS port with a plain HTTP error, so a
// user who typed http:// sees the reason. Made by TcpFront when a client's first byte is not TLS; the request
// is not parsed.
#pragma once

#include "net/byte_stream.h"
#include "net/timers.h"

#include <functional>
#include <memory>

namespace sallyport::http {

class ClearTextRefusal final : private net::ByteStreamReceiver {
 public:
  /// `done` is called once, when the answer was sent or timed out; destroy this in a later step, or earlier.
  ClearTextRefusal(net::Timers& timers, std::unique_ptr<net::ByteStream> stream, std::function<void()> done);
  ~ClearTextRefusal();

 private:
  void on_bytes(Bytes) override {}
  void on_end() override { end(); }
  void on_stream_error(const Error&) override { end(); }
  void end();

  std::unique_ptr<net::ByteStream> stream_;
  std::function<void()> done_;
  net::Timer linger_;
};

}  // namespace sallyport::http
