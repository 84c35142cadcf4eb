// What a hostile client of HTTP/1.1 may send.
#include "http/tcp_connection.h"
#include "tcp_server.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  return http::fuzz::run({data, size}, [](net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                          http::RequestHandler& requests) {
    return http::make_h1_server(timers, std::move(stream), {}, requests, nullptr,
                                {.max_section_size = 4096, .max_path = 1024});
  });
}
