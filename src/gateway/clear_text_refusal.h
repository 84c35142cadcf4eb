// ClearTextRefusal: answers a client that speaks HTTP without TLS where there is only HTTPS, in the clear, so
// that whoever left out the "s" of https:// reads why. Made by TcpFront, once a client's first byte is none
// of TLS; nothing of the request is looked at.
#pragma once

#include "net/byte_stream.h"
#include "net/timers.h"

#include <functional>
#include <memory>

namespace sallyport::gateway {

class ClearTextRefusal final : private net::ByteStreamReceiver {
 public:
  /// `done` is called once, when the client has the answer or has had its time; this may be destroyed in a
  /// later step, or before.
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

}  // namespace sallyport::gateway
