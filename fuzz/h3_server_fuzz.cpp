// What a hostile client of HTTP/3 may send on its streams and in datagrams, over a real QUIC connection in
// simulated time. The input is a sequence of (what, length, bytes): what & 7 is 0 control, 1 and 2 QPACK, 3 a
// datagram, 4-7 a request stream; what & 8 ends the stream, what & 16 resets it.
#include "http/h3_for_test.h"

#include <array>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  http::test::RawClient client;
  client.server_limits.max_section_size = 4096;
  client.server_limits.max_path = 1024;
  client.requests.then = [](http::Exchange& exchange, http::test::RecordingExchange& handler) {
    if (exchange.request().is_connect()) {
      exchange.use_capsules();
      exchange.respond({.status = 200});
    } else {
      handler.then_end = [](http::Exchange& e) {
        e.respond({.status = 200});
        e.write(as_bytes("answer"));
        e.finish({{"x-sum", "1"}});
      };
    }
  };
  if (!client.meet(false)) return 0;
  std::array<quic::StreamId, 8> streams;
  streams.fill(-1);
  for (Bytes in(data, size); in.size() >= 2 && !client.raw.closed;) {
    const std::uint8_t what = in[0];
    const Bytes bytes = in.subspan(2, std::min<std::size_t>(in[1], in.size() - 2));
    in = in.subspan(2 + bytes.size());
    if ((what & 7) == 3) {
      if (!bytes.empty()) client.connection->send_datagram({}, bytes);
    } else {
      quic::StreamId& id = streams[what & 7];
      if (id < 0) {
        const auto opened = (what & 7) < 3 ? client.connection->open_unidirectional()
                                           : client.connection->open_bidirectional();
        if (!opened) continue;
        id = *opened;
      }
      client.raw.send(id, std::string(as_text(bytes)), (what & 8) != 0);
      if ((what & 16) != 0) {
        client.connection->reset_stream(id, 0x10c);
        client.connection->stop_sending(id, 0x10c);
      }
      if ((what & 24) != 0) id = -1;
    }
    client.run_for(25ms);
  }
  client.run_for(1s);
  return 0;
}
