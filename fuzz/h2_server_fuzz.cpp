// What a hostile client of HTTP/2 may send. The preface is ours, so that no input is spent on it.
#include "http/tcp_connection.h"
#include "tcp_server.h"

#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  if (size == 0) return 0;
  std::vector<std::uint8_t> input{data[0]};
  const Bytes preface = as_bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  input.insert(input.end(), preface.begin(), preface.end());
  input.insert(input.end(), data + 1, data + size);
  return http::fuzz::run(input, [](net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                   http::RequestHandler& requests) {
    return http::make_h2_server(timers, std::move(stream), {}, requests, nullptr,
                                {.max_section_size = 4096, .max_path = 1024});
  });
}
