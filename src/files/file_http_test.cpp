// The file server behind real HTTP/3 and HTTP/2 connections with misbehaving peers.
#include "files/file_server.h"
#include "files/folder_for_test.h"
#include "http/h2_frames_for_test.h"
#include "http/h3_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::files {
namespace {

using namespace http::test;

struct Site {
  Site() {
    folder.write("small", "hello");
    folder.write("large", pattern(8 * 1024 * 1024));
    server.then = [this](http::Exchange& exchange, RecordingExchange&) { files.serve({exchange, {}}); };
  }
  std::uint64_t body_bytes(http::Version version) const {
    return replies.counters().body_bytes[http::ReplyCounters::index(version)];
  }

  FolderForTest folder;
  http::Replies replies;
  FileServer files{ServedFolder::open(folder.path()).value(), replies};
  RecordingServer server;
};

/// What the file server answers over HTTP/1.1 when all of `request` comes at once, heads only.
struct Http1 {
  explicit Http1(Site& site) {
    auto [near, far] = net::make_memory_streams(clock.timers);
    requests.then = site.server.then;
    server = http::make_h1_server(clock.timers, std::move(far), {}, requests, nullptr, http::Limits{});
    client.emplace(std::move(near));
  }
  std::string say(std::string_view text) {
    client->received.clear();
    client->say(text);
    clock.settle();
    return client->received.substr(0, client->received.find("\r\n\r\n"));
  }
  Clock clock;
  RecordingServer requests;
  std::unique_ptr<http::Connection> server;
  std::optional<RawEnd> client;
};

Lines lines_for(std::string method, std::string path, Lines more = {}) {
  Lines lines{
      {":method", std::move(method)}, {":scheme", "https"}, {":authority", "a"}, {":path", std::move(path)}};
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

TEST(FileServerOverH3, AClientThatTakesNoResponseGetsNoFileRead) {
  Site site;
  RawClient client;
  client.requests.then = site.server.then;
  ASSERT_TRUE(client.meet(false));
  client.say_control(settings_frame({.max_field_section_size = 1}));
  client.run_for(100ms);
  const auto id = client.say(headers(lines_for("GET", "/large")), true);
  EXPECT_EQ(client.reset_with(id), code(http::H3Code::internal_error));
  EXPECT_EQ(site.body_bytes(http::Version::http3), 0u);
  EXPECT_EQ(site.files.transfers().open, 0u);
}

TEST(FileServerOverH3, AClientThatTakesNoResponsesUsesUpItsBudget) {
  Site site;
  RawClient client;
  client.requests.then = site.server.then;
  client.server_limits.abuse_burst = 20;
  client.server_limits.abuse_per_second = 0;
  ASSERT_TRUE(client.meet(false));
  client.say_control(settings_frame({.max_field_section_size = 1}));
  client.run_for(100ms);
  for (int i = 0; i < 30; ++i) client.say(headers(lines_for("GET", "/small")), true);
  EXPECT_EQ(client.closed_with(), code(http::H3Code::excessive_load));
}

TEST(FileServerOverH3, BodiesThatDoNotMatchTheirLengthResetTheStream) {
  for (const auto* path : {"/small", "/large"})
    for (const auto* method : {"GET", "POST"})
      for (const std::string& body : {std::string(), data_frame("four"), data_frame("sixsix")}) {
        Site site;
        RawClient client;
        client.requests.then = site.server.then;
        ASSERT_TRUE(client.meet());
        const auto id = client.say(headers(lines_for(method, path, {{"content-length", "5"}})) + body, true);
        EXPECT_EQ(client.reset_with(id), code(http::H3Code::message_error)) << method << path << body;
        EXPECT_EQ(site.files.transfers().open, 0u);
        // Nobody else is touched.
        const auto next = client.say(headers(lines_for("GET", "/small")), true);
        EXPECT_EQ(client.reset_with(next), 0u);
        EXPECT_TRUE(client.raw.streams[next].received.ends_with("hello"));
      }
}

TEST(FileServerOverH2, BodiesThatDoNotMatchTheirLengthResetTheStream) {
  constexpr std::uint32_t protocol_error = 1;
  for (const auto* path : {"/small", "/large"})
    for (const auto* method : {"GET", "POST"})
      for (const auto* body : {"", "four", "sixsix"}) {
        Site site;
        Clock clock;
        RecordingConnection events;
        auto [near, far] = net::make_memory_streams(clock.timers);
        const auto server =
            http::make_h2_server(clock.timers, std::move(far), {"a", "TLS1.3"}, site.server, &events, {});
        RawEnd peer(std::move(near));
        peer.say(h2_preface + h2_frame(h2_settings, ack, 0) +
                 h2_frame(h2_headers, end_headers, 1,
                          hpack({{":method", method},
                                 {":scheme", "https"},
                                 {":authority", "a"},
                                 {":path", path},
                                 {"content-length", "5"}})) +
                 h2_frame(h2_data, end_stream, 1, body));
        clock.settle();
        std::uint32_t reset = 0;
        for (const auto& frame : take_frames(peer.received))
          if (frame.type == h2_rst_stream && frame.stream == 1) reset = frame.number();
        EXPECT_EQ(reset, protocol_error) << method << path << body;
        EXPECT_EQ(events.closed, 0);
        EXPECT_EQ(site.files.transfers().open, 0u);
      }
}

TEST(FileServerOverH1, AChunkedBodyThatCameWholeKeepsTheConnection) {
  Site site;
  Http1 connection(site);
  for (const std::string_view target : {"/small", "/large", "/missing", "/small"}) {
    const auto head =
        connection.say("GET " + std::string(target) +
                       " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    EXPECT_TRUE(head.starts_with(target == "/missing" ? "HTTP/1.1 404 " : "HTTP/1.1 200 ")) << head;
    EXPECT_EQ(head.find("connection:"), std::string::npos) << head;
    EXPECT_FALSE(connection.client->ended);
  }
}

TEST(FileServerOverH1, ABodyThatIsNotReadIsTheAnnouncedEnd) {
  for (const std::string_view target : {"/small", "/large", "/missing"})
    for (const std::string_view framing : {"Transfer-Encoding: chunked", "Content-Length: 2000000"}) {
      Site site;
      Http1 connection(site);
      const auto head = connection.say("GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" +
                                       std::string(framing) + "\r\n\r\n");
      EXPECT_TRUE(head.ends_with("\r\nconnection: close")) << head;
      EXPECT_TRUE(connection.client->ended);
    }
}

TEST(FileServerOverH1, ASmallBodyIsLetComeIn) {
  Site site;
  Http1 connection(site);
  const auto head = connection.say("GET /small HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(head.find("connection:"), std::string::npos) << head;
  EXPECT_TRUE(connection.say("helloGET /small HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace sallyport::files
