// What a hostile server or hop of HTTP/2 may answer. Its SETTINGS, with extended CONNECT, are ours, so that
// no input is spent on them.
#include "http/h2_frames_for_test.h"
#include "http/tcp_connection.h"
#include "tcp_client.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace http::test;
  static const std::string greeting =
      h2_frame(h2_settings, 0, 0, std::string("\0\x08\0\0\0\1", 6)) + h2_frame(h2_settings, ack, 0);
  return http::fuzz::run(
      {data, size}, greeting, std::nullopt,
      [](net::Timers& timers, std::unique_ptr<net::ByteStream> stream, http::ConnectionHandler& events) {
        return http::make_h2_client(timers, std::move(stream), {}, events, {.max_section_size = 4096});
      });
}
