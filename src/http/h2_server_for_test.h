// What the tests of HTTP/2's server share: a server whose client is the test, frame by frame.
#pragma once

#include "http/h2_frames_for_test.h"
#include "http/tcp_for_test.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http::test {

/// Error codes (RFC 9113 §7).
inline constexpr std::uint32_t protocol_error = 1, flow_control_error = 3, frame_size_error = 6,
                               compression_error = 9, enhance_your_calm = 11;

/// A server whose client is the test.
class H2ServerTest : public testing::Test {
 protected:
  H2ServerTest() {
    auto [near, far] = net::make_memory_streams(clock.timers);
    server = make_h2_server(clock.timers, std::move(far), {"a", "TLS1.3"}, requests, &events, {});
    peer.emplace(std::move(near));
    requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(204), true); };
  }
  void begin() { say(h2_preface + h2_frame(h2_settings, ack, 0)); }
  /// Says `bytes`; returns the frames that came back.
  std::vector<H2Frame> say(std::string_view bytes) {
    peer->say(bytes);
    clock.settle();
    return take_frames(peer->received);
  }
  static std::optional<H2Frame> find(const std::vector<H2Frame>& frames, std::uint8_t type,
                                     std::uint32_t stream = 0) {
    const auto found =
        std::ranges::find_if(frames, [&](const H2Frame& f) { return f.type == type && f.stream == stream; });
    return found == frames.end() ? std::nullopt : std::optional(*found);
  }
  static std::uint32_t goaway_code(const std::vector<H2Frame>& frames) {
    const auto frame = find(frames, h2_goaway);
    return frame ? frame->number(4) : 0xffff;
  }

  Clock clock;
  RecordingConnection events;
  RecordingServer requests;
  std::unique_ptr<Connection> server;
  std::optional<RawEnd> peer;
};

}  // namespace sallyport::http::test
