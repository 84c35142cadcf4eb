// What a hostile origin or hop of HTTP/3 may say on its streams and in datagrams, over a real QUIC connection
// in simulated time. The input is a sequence of (what, length, bytes): what & 7 is 0 its control stream, 1
// and 2 a unidirectional stream of its own, 3 a datagram, 4-7 the answer to one of our requests; what & 8
// ends the stream, what & 16 resets it.
#include "asking_client.h"
#include "http/h3_for_test.h"

#include <algorithm>
#include <array>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  http::fuzz::Asker asker;
  {
    http::test::RawServer server;
    server.client_limits.max_section_size = 4096;
    if (!server.meet() || server.client_events.closed != 0) return 0;
    constexpr quic::StreamId control = 3;  // the first unidirectional one of a server
    for (std::uint8_t kind = 0; kind < 4; ++kind) asker.ask(*server.client, kind);
    server.run_for(100ms);
    std::array<quic::StreamId, 3> own{control, -1, -1};
    for (Bytes in(data, size); in.size() >= 2 && server.client_events.closed == 0;) {
      const std::uint8_t what = in[0];
      const Bytes bytes = in.subspan(2, std::min<std::size_t>(in[1], in.size() - 2));
      in = in.subspan(2 + bytes.size());
      auto& raw = server.raw();
      if ((what & 7) == 3) {
        if (!bytes.empty()) raw.connection->send_datagram({}, bytes);
      } else {
        quic::StreamId id = ((what & 7) - 4) * 4;
        if ((what & 7) < 3) {
          quic::StreamId& opened = own[what & 7];
          if (opened < 0) {
            const auto made = raw.connection->open_unidirectional();
            if (!made) continue;
            opened = *made;
          }
          id = opened;
        }
        raw.send(id, std::string(as_text(bytes)), (what & 8) != 0);
        if ((what & 16) != 0) {
          raw.connection->reset_stream(id, 0x10c);
          if ((what & 7) > 3) raw.connection->stop_sending(id, 0x10c);
        }
        if ((what & 24) != 0 && (what & 7) < 3 && (what & 7) != 0) own[what & 7] = -1;
      }
      server.run_for(25ms);
    }
    server.run_for(1s);
  }
  http::fuzz::require(asker.all_closed());
  return 0;
}
