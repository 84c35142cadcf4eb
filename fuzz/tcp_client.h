// What the fuzz targets of HTTP/1.1 and HTTP/2 as a client share: a client that asks, and is fed with an
// input in pieces as its server's answers.
#pragma once

#include "asking_client.h"
#include "http/tcp_for_test.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace sallyport::http::fuzz {

using MakeClient = std::function<std::unique_ptr<Connection>(net::Timers&, std::unique_ptr<net::ByteStream>,
                                                             ConnectionHandler&)>;

/// The input's first octet says how large the pieces are, and whether the server half-closes, closes, or just
/// stops; the second one which kind of request comes first. What follows comes after `greeting`, and is cut
/// by each `next` (when there is one), where the client asks again if it may.
inline int run(Bytes input, std::string_view greeting, std::optional<char> next, const MakeClient& make) {
  if (input.size() < 2) return 0;
  const std::uint8_t how = input[0];
  std::uint8_t kind = input[1];
  std::string_view text = as_text(input.subspan(2));
  test::Clock clock;
  test::RecordingConnection events;
  Asker asker;
  auto [near, far] = net::make_memory_streams(
      clock.timers, {.piece = (how & 0x3f) == 0 ? std::size_t{65536} : std::size_t{how} & 0x3f});
  auto connection = make(clock.timers, std::move(near), events);
  {
    test::RawEnd server(std::move(far));
    server.say(greeting);
    // Over HTTP/2 all kinds at once, over HTTP/1.1 one after the other.
    for (std::uint8_t i = 0; i < (next ? 1 : Asker::kinds); ++i) asker.ask(*connection, kind++);
    while (!text.empty()) {
      const std::size_t cut = next ? text.find(*next) : std::string_view::npos;
      server.say(text.substr(0, cut));
      clock.settle();
      text.remove_prefix(cut == std::string_view::npos ? text.size() : cut + 1);
      if (next && events.closed == 0 && connection->can_request()) asker.ask(*connection, kind++);
    }
    if ((how & 0x40) != 0) server.stream->finish();
    clock.settle();
    if ((how & 0x80) != 0) server.stream->close();
    clock.pass(1h);
  }
  clock.pass(1h);
  // The server is gone: nothing may be open any more, but for what nobody told the client of.
  connection.reset();
  clock.settle();
  require(asker.all_closed());
  return 0;
}

}  // namespace sallyport::http::fuzz
