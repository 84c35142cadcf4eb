// What a hostile server or hop of HTTP/1.1 may answer; 0xff stands between what it says to one request and to
// the next.
#include "http/tcp_connection.h"
#include "tcp_client.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  return http::fuzz::run(
      {data, size}, "", '\xff',
      [](net::Timers& timers, std::unique_ptr<net::ByteStream> stream, http::ConnectionHandler& events) {
        return http::make_h1_client(timers, std::move(stream), {}, events, {.max_section_size = 4096});
      });
}
