#include "http/clear_text_refusal.h"

#include "base/bytes.h"

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sallyport::http {
namespace {

// Closing while the client still sends would reset the connection and lose the answer (RFC 9112 §9.6).
constexpr Duration linger_time = 2s;

std::string answer() {
  constexpr std::string_view body = "this port speaks HTTPS only; use https:// instead of http://\n";
  return fmt::format(
      "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n"
      "connection: close\r\n\r\n{}",
      body.size(), body);
}

}  // namespace

ClearTextRefusal::ClearTextRefusal(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                   std::function<void()> done)
    : stream_(std::move(stream)), done_(std::move(done)), linger_(timers, [this](Time) { end(); }) {
  stream_->set_receiver(this);
  stream_->set_reading(true);
  stream_->write(as_bytes(answer()));
  stream_->finish();
  linger_.arm(timers.now() + linger_time);
}

ClearTextRefusal::~ClearTextRefusal() {
  stream_->set_receiver(nullptr);
}

void ClearTextRefusal::end() {
  linger_.disarm();
  if (done_) std::exchange(done_, nullptr)();
}

}  // namespace sallyport::http
