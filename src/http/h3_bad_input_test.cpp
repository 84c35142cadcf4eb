// HTTP/3 against a peer that breaks the rules (docs/threat-model.md, "compression error", "critical stream",
// "unexpected frame" and "pseudo-header"). A test's peer says raw bytes on QUIC streams of its own.
#include "http/h3_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::code;
using test::data_frame;
using test::frame;
using test::headers;
using test::RawClient;
using test::RawServer;
using test::RecordingExchange;
using test::request_lines;
using test::varint;

// Requests that are malformed (RFC 9114 §4.1.2): the stream ends, the connection lives

struct Malformed {
  const char* name;
  std::string bytes;
};

class H3MalformedRequest : public testing::TestWithParam<Malformed> {};

TEST_P(H3MalformedRequest, IsAStreamError) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange& handler) {
    handler.then_end = [](Exchange& e) { e.respond({.status = 200}, true); };
    static_cast<void>(exchange);
  };
  ASSERT_TRUE(pair.meet());
  const auto bad = pair.say(GetParam().bytes, true);
  EXPECT_EQ(pair.reset_with(bad), code(H3Code::message_error));
  const auto good = pair.say(headers(request_lines()), true);
  pair.run_for(200ms);
  EXPECT_TRUE(pair.raw.streams[good].received_fin);
  EXPECT_FALSE(pair.raw.closed);
  EXPECT_EQ(pair.server().open_exchanges(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, H3MalformedRequest,
    testing::Values(
        Malformed{"capital", headers(request_lines({{"X-Capital", "1"}}))},
        Malformed{"name_not_a_token", headers(request_lines({{"x y", "1"}}))},
        Malformed{"empty_name", headers(request_lines({{"", "1"}}))},
        Malformed{"carriage_return", headers(request_lines({{"x", "a\rb"}}))},
        Malformed{"line_feed", headers(request_lines({{"x", "a\nb: c"}}))},
        Malformed{"nul", headers(request_lines({{"x", std::string("a\0b", 3)}}))},
        Malformed{"connection", headers(request_lines({{"connection", "close"}}))},
        Malformed{"transfer_encoding", headers(request_lines({{"transfer-encoding", "chunked"}}))},
        Malformed{"upgrade", headers(request_lines({{"upgrade", "websocket"}}))},
        Malformed{"keep_alive", headers(request_lines({{"keep-alive", "1"}}))},
        Malformed{"te", headers(request_lines({{"te", "gzip"}}))},
        Malformed{"no_path", headers({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}})},
        Malformed{"pseudo_twice", headers(request_lines({{":path", "/"}}))},
        Malformed{
            "pseudo_late",
            headers(
                {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"x", "y"}, {":authority", "a"}})},
        Malformed{"pseudo_unknown", headers(request_lines({{":x", "y"}}))},
        Malformed{"status", headers(request_lines({{":status", "200"}}))},
        Malformed{"host_disagrees", headers(request_lines({{"host", "other.test"}}))},
        Malformed{"two_lengths", headers(request_lines({{"content-length", "1"}, {"content-length", "1"}})) +
                                     data_frame("x")},
        Malformed{"body_too_long", headers(request_lines({{"content-length", "3"}})) + data_frame("four")},
        Malformed{"body_too_short", headers(request_lines({{"content-length", "5"}})) + data_frame("four")},
        Malformed{"body_missing", headers(request_lines({{"content-length", "5"}}))},
        Malformed{"pseudo_in_trailers",
                  headers(request_lines()) + data_frame("x") + headers({{":path", "/"}})}),
    [](const auto& row) { return row.param.name; });

TEST(H3BadInput, BodyShorterThanItsLengthWithAnEmptyFin) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  const auto id = pair.say(headers(request_lines({{"content-length", "5"}})) + data_frame("four"), false);
  pair.run_for(100ms);
  pair.raw.send(id, "", true);
  EXPECT_EQ(pair.reset_with(id), code(H3Code::message_error));
}

TEST(H3BadInput, RequestCutShort) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  EXPECT_EQ(pair.reset_with(pair.say("", true)), code(H3Code::request_incomplete));
  EXPECT_FALSE(pair.raw.closed);
  EXPECT_EQ(pair.requests.requests.size(), 0u);
}

/// Of the response that came on stream `id`, which is to have ended; 0: there is none.
unsigned status_on(RawClient& pair, quic::StreamId id) {
  pair.run_for(200ms);
  Response response;
  Limits limits;
  HeadBuilder builder(limits);
  builder.begin_response(response, Version::http3);
  H3FrameHead head;
  Bytes received = as_bytes(pair.raw.streams[id].received);
  if (!head.take(received) || !pair.raw.streams[id].received_fin) return 0;
  Bytes section = head.take_payload(received);
  QpackDecoder decoder;
  QpackContext context;
  return decoder.decode(id, context, section, builder) && builder.finish().ok() ? response.status : 0;
}

TEST(H3BadInput, SectionTooLargeGets431) {
  RawClient pair;
  pair.server_limits.max_section_size = 4000;
  ASSERT_TRUE(pair.meet());
  // Once it is small as long as it is encoded, and once it is large even so.
  for (const std::string& value : {std::string(3990, 'a'), std::string(20'000, '\x7e')})
    EXPECT_EQ(status_on(pair, pair.say(headers(request_lines({{"x", value}})), true)), 431u);
  EXPECT_EQ(pair.requests.requests.size(), 0u);
  EXPECT_FALSE(pair.raw.closed);
}

/// nghttp3 decodes no names of more than 256 octets as they are encoded.
TEST(H3BadInput, FieldTooLongToDecodeGets431) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 204}, true);
  };
  ASSERT_TRUE(pair.meet());
  EXPECT_EQ(status_on(pair, pair.say(headers(request_lines({{std::string(256, 'n'), "v"}})), true)), 204u);
  EXPECT_EQ(status_on(pair, pair.say(headers(request_lines({{std::string(400, 'n'), "v"}})), true)), 431u);
  EXPECT_EQ(
      status_on(pair, pair.say(headers(request_lines({{std::string(5000, 'n'), "v"}, {"x", "y"}})), true)),
      431u);
  EXPECT_EQ(status_on(pair, pair.say(headers(request_lines()), true)), 204u);
  EXPECT_EQ(pair.requests.requests.size(), 2u);
  EXPECT_FALSE(pair.raw.closed) << pair.raw.closed->reason;
}

TEST(H3BadInput, ValueThatUnfoldsToTooMuchGets431) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  // In Huffman's code it is below what is refused unread.
  EXPECT_EQ(status_on(pair, pair.say(headers(request_lines({{"x", std::string(70'000, 'e')}})), true)), 431u);
  EXPECT_FALSE(pair.raw.closed) << pair.raw.closed->reason;
}

// Connection errors (RFC 9114 §6.2, §7.2)

struct Broken {
  const char* name;
  H3Code expected;
  std::function<void(RawClient&)> act;
  bool with_control = true;
};

class H3BrokenRules : public testing::TestWithParam<Broken> {};

TEST_P(H3BrokenRules, CloseTheConnection) {
  RawClient pair;
  ASSERT_TRUE(pair.meet(GetParam().with_control));
  GetParam().act(pair);
  EXPECT_EQ(pair.closed_with(), code(GetParam().expected));
  EXPECT_EQ(pair.server_events.closed, 1);
}

std::string after_settings(std::string_view more) {
  return test::settings_frame() + std::string(more);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, H3BrokenRules,
    testing::Values(
        Broken{"second_control_stream", H3Code::stream_creation_error,
               [](RawClient& p) { p.say_control(test::settings_frame()); }},
        Broken{"second_encoder_stream", H3Code::stream_creation_error,
               [](RawClient& p) {
                 p.say_uni(varint(2));
                 p.say_uni(varint(2));
               }},
        Broken{"control_stream_ends", H3Code::closed_critical_stream,
               [](RawClient& p) { p.raw.send(2, "", true); }},
        Broken{"control_stream_reset", H3Code::closed_critical_stream,
               [](RawClient& p) { p.connection->reset_stream(2, 0x100); }},
        Broken{"our_control_stream_stopped", H3Code::closed_critical_stream,
               [](RawClient& p) { p.connection->stop_sending(3, 0x100); }},
        Broken{"encoder_stream_ends", H3Code::closed_critical_stream,
               [](RawClient& p) { p.say_uni(varint(2), true); }},
        Broken{"second_decoder_stream", H3Code::stream_creation_error,
               [](RawClient& p) {
                 p.say_uni(varint(3));
                 p.say_uni(varint(3));
               }},
        Broken{"decoder_stream_ends", H3Code::closed_critical_stream,
               [](RawClient& p) { p.say_uni(varint(3), true); }},
        Broken{"client_pushes", H3Code::stream_creation_error,
               [](RawClient& p) { p.say_uni(varint(1) + varint(0)); }},
        Broken{"no_settings", H3Code::missing_settings,
               [](RawClient& p) { p.say_control(frame(H3Frame::goaway, varint(0))); }, false},
        Broken{"settings_twice", H3Code::frame_unexpected,
               [](RawClient& p) { p.say_control(after_settings(test::settings_frame())); }, false},
        Broken{"settings_of_http2", H3Code::settings_error,
               [](RawClient& p) { p.say_control(frame(H3Frame::settings, varint(4) + varint(1))); }, false},
        Broken{"setting_twice", H3Code::settings_error,
               [](RawClient& p) {
                 p.say_control(frame(H3Frame::settings, varint(6) + varint(1) + varint(6) + varint(1)));
               },
               false},
        Broken{"setting_neither_0_nor_1", H3Code::settings_error,
               [](RawClient& p) { p.say_control(frame(H3Frame::settings, varint(8) + varint(2))); }, false},
        Broken{"settings_cut", H3Code::frame_error,
               [](RawClient& p) { p.say_control(frame(H3Frame::settings, varint(6))); }, false},
        Broken{"data_on_control", H3Code::frame_unexpected,
               [](RawClient& p) { p.raw.send(2, data_frame("x"), false); }},
        Broken{"headers_on_control", H3Code::frame_unexpected,
               [](RawClient& p) { p.raw.send(2, headers(request_lines()), false); }},
        Broken{"http2_ping_on_control", H3Code::frame_unexpected,
               [](RawClient& p) { p.raw.send(2, frame(6, "12345678"), false); }},
        Broken{"max_push_id_goes_down", H3Code::id_error,
               [](RawClient& p) {
                 p.raw.send(2,
                            frame(H3Frame::max_push_id, varint(5)) + frame(H3Frame::max_push_id, varint(4)),
                            false);
               }},
        Broken{"cancel_push", H3Code::id_error,
               [](RawClient& p) { p.raw.send(2, frame(H3Frame::cancel_push, varint(0)), false); }},
        Broken{"goaway_too_long", H3Code::frame_error,
               [](RawClient& p) { p.raw.send(2, frame(H3Frame::goaway, varint(0) + "x"), false); }},
        Broken{"goaway_goes_up", H3Code::id_error,
               [](RawClient& p) {
                 p.raw.send(2, frame(H3Frame::goaway, varint(4)) + frame(H3Frame::goaway, varint(8)), false);
               }},
        Broken{"priority_of_a_push", H3Code::id_error,
               [](RawClient& p) { p.raw.send(2, frame(H3Frame::priority_update_push, varint(0)), false); }},
        Broken{
            "priority_of_no_request", H3Code::id_error,
            [](RawClient& p) { p.raw.send(2, frame(H3Frame::priority_update, varint(3) + "u=1"), false); }},
        Broken{"settings_on_request", H3Code::frame_unexpected,
               [](RawClient& p) { p.say(test::settings_frame(), false); }},
        Broken{"data_before_headers", H3Code::frame_unexpected,
               [](RawClient& p) { p.say(data_frame("x"), false); }},
        Broken{"data_after_trailers", H3Code::frame_unexpected,
               [](RawClient& p) {
                 p.say(headers(request_lines()) + data_frame("x") + headers({{"a", "b"}}) + data_frame("y"),
                       false);
               }},
        Broken{"headers_after_trailers", H3Code::frame_unexpected,
               [](RawClient& p) {
                 p.say(headers(request_lines()) + headers({{"a", "b"}}) + headers({{"a", "b"}}), false);
               }},
        Broken{"push_promise_from_client", H3Code::frame_unexpected,
               [](RawClient& p) { p.say(frame(H3Frame::push_promise, varint(0)), false); }},
        Broken{
            "frame_cut_by_fin", H3Code::frame_error,
            [](RawClient& p) { p.say(headers(request_lines()) + varint(0) + varint(10) + "short", true); }},
        // After the answer, and with the rest of the body unwanted (RFC 9114 §7.1).
        Broken{"frame_cut_by_fin_after_the_answer", H3Code::frame_error,
               [](RawClient& p) {
                 p.requests.then = [](Exchange& exchange, RecordingExchange&) {
                   exchange.respond({.status = 404}, true);
                   exchange.stop_reading();
                 };
                 p.say(headers(request_lines()) + data_frame("whole") + frame(0x21, "reserved") + varint(0) +
                           varint(10) + "short",
                       true);
               }},
        Broken{"frame_head_cut_by_fin_after_the_answer", H3Code::frame_error,
               [](RawClient& p) {
                 p.requests.then = [](Exchange& exchange, RecordingExchange& handler) {
                   exchange.respond({.status = 404}, true);
                   handler.then_body = [](Exchange& e) { e.stop_reading(); };
                 };
                 p.say(headers(request_lines()) + data_frame("whole") + varint(0), true);
               }},
        Broken{"priority_beyond_the_stream_limit", H3Code::id_error,
               [](RawClient& p) {
                 p.raw.send(2, frame(H3Frame::priority_update, varint(100 * 4) + "u=1"), false);
               }},
        Broken{"datagram_beyond_the_stream_limit", H3Code::id_error,
               [](RawClient& p) { p.connection->send_datagram(as_bytes(varint(100)), as_bytes("x")); }},
        Broken{"qpack_bad_index", H3Code::qpack_decompression_failed,
               [](RawClient& p) {
                 p.say(frame(H3Frame::headers, std::string("\x00\x00\xff\xff\xff\xff\x7f", 7)), true);
               }},
        Broken{"qpack_integer_overflow", H3Code::qpack_decompression_failed,
               [](RawClient& p) {
                 p.say(frame(H3Frame::headers,
                             std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", 13)),
                       true);
               }},
        // A literal whose Huffman code is the end-of-string symbol (RFC 7541 §5.2).
        Broken{"qpack_huffman", H3Code::qpack_decompression_failed,
               [](RawClient& p) {
                 p.say(frame(H3Frame::headers, std::string("\x00\x00\x51\x84\xff\xff\xff\xff", 8)), true);
               }},
        Broken{"qpack_huffman_of_an_entry", H3Code::qpack_encoder_stream_error,
               [](RawClient& p) {
                 p.say_uni(varint(2) + std::string("\x3f\xe1\x1f\xc1\x84\xff\xff\xff\xff", 9));
               }},
        Broken{"empty_section", H3Code::qpack_decompression_failed,
               [](RawClient& p) { p.say(frame(H3Frame::headers, ""), true); }},
        Broken{"qpack_encoder_stream", H3Code::qpack_encoder_stream_error,
               [](RawClient& p) { p.say_uni(varint(2) + "\xff\xff\xff\xff\x7f"); }},
        Broken{"qpack_acknowledges_nothing", H3Code::qpack_decoder_stream_error,
               [](RawClient& p) { p.say_uni(varint(3) + "\x84"); }},
        Broken{"datagram_without_an_id", H3Code::datagram_error,
               [](RawClient& p) { p.connection->send_datagram({}, as_bytes("\xc0")); }},
        Broken{"datagram_id_too_large", H3Code::datagram_error,
               [](RawClient& p) {
                 p.connection->send_datagram({}, as_bytes("\xff\xff\xff\xff\xff\xff\xff\xff"));
               }}),
    [](const auto& row) { return row.param.name; });

TEST(H3BadInput, TheStreamLimitGrowsAsRequestsEnd) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200}, true);
  };
  ASSERT_TRUE(pair.meet());
  pair.say(headers(request_lines()), true);
  pair.run_for(100ms);
  pair.raw.send(2, frame(H3Frame::priority_update, varint(100 * 4) + "u=1"), false);
  pair.connection->send_datagram(as_bytes(varint(100)), as_bytes("x"));
  EXPECT_EQ(pair.closed_with(), 0u);
  pair.raw.send(2, frame(H3Frame::priority_update, varint(101 * 4) + "u=1"), false);
  EXPECT_EQ(pair.closed_with(), code(H3Code::id_error));
}

TEST(H3BadInput, AWholeBodyAfterTheAnswerIsFine) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 404}, true);
    exchange.stop_reading();
  };
  ASSERT_TRUE(pair.meet());
  const std::string bytes = headers(request_lines()) + data_frame("body") + frame(0x21, "") + data_frame("") +
                            headers({{"a", "b"}});
  const auto id = pair.say(bytes, true);
  EXPECT_EQ(pair.closed_with(), 0u);
  EXPECT_TRUE(pair.raw.streams[id].received_fin);
}

TEST(H3BadInput, LegalOdditiesPass) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200}, true);
  };
  ASSERT_TRUE(pair.meet());
  pair.raw.send(
      2, frame(H3Frame::max_push_id, varint(8)) + frame(0x21, "reserved") + frame(H3Frame::goaway, varint(0)),
      false);
  pair.say_uni(varint(0x21) + "a stream of a reserved type");
  pair.say_uni(varint(3) + "\x40\x7f\x05");  // two streams cancelled, one with a long number
  const auto id = pair.say(
      frame(0x21, "reserved") + headers(request_lines({{"te", "trailers"}})) + frame(0x21f + 0x1f * 4, ""),
      true);
  pair.run_for(200ms);
  EXPECT_TRUE(pair.raw.streams[id].received_fin);
  EXPECT_FALSE(pair.raw.closed);
}

TEST(H3BadInput, ByteByByteIsTheSame) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange& handler) {
    static_cast<void>(exchange);
    handler.then_end = [](Exchange& e) { e.respond({.status = 200}, true); };
  };
  ASSERT_TRUE(pair.meet());
  const std::string bytes = headers(request_lines({{"x-long", std::string(300, 'a')}})) + data_frame("four") +
                            headers({{"sum", "1"}});
  const auto id = pair.say("", false);
  for (const char byte : bytes) {
    pair.raw.send(id, std::string(1, byte), false);
    pair.run_for(1ms);
  }
  pair.raw.send(id, "", true);
  pair.run_for(200ms);
  ASSERT_EQ(pair.requests.requests.size(), 1u);
  EXPECT_EQ(pair.requests.last().request.fields.find("x-long")->size(), 300u);
  EXPECT_EQ(pair.requests.last().handler.body, "four");
  EXPECT_EQ(pair.requests.last().handler.trailers->find("sum"), "1");
  EXPECT_TRUE(pair.raw.streams[id].received_fin);
}

// A server that lies

struct Lie {
  const char* name;
  std::string bytes;
};

class H3LyingServer : public testing::TestWithParam<Lie> {};

TEST_P(H3LyingServer, EndsTheExchangeOnly) {
  RawServer pair;
  ASSERT_TRUE(pair.meet());
  RecordingExchange& handler = pair.handler();
  Request request = test::get("/");
  if (std::string_view(GetParam().name) == "body_after_head") request.method = "HEAD";
  Exchange& exchange = pair.client->request(request, handler, true);
  ASSERT_TRUE(
      pair.run_until([&] { return pair.raw().streams.contains(0) && pair.raw().streams[0].received_fin; }));
  pair.raw().send(exchange.stream_id(), GetParam().bytes, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  ASSERT_TRUE(handler.error);
  EXPECT_EQ(handler.error->kind, ErrorKind::protocol);
  EXPECT_EQ(pair.client_events.closed, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, H3LyingServer,
    testing::Values(
        Lie{"no_status", headers({{"a", "b"}})},
        Lie{"status_twice", headers({{":status", "200"}, {":status", "200"}})},
        Lie{"status_not_a_number", headers({{":status", "2xx"}})},
        Lie{"status_101", headers({{":status", "101"}})},
        Lie{"request_pseudo", headers({{":status", "200"}, {":path", "/"}})},
        Lie{"only_interim", headers({{":status", "103"}})}, Lie{"nothing", ""},
        Lie{"body_too_short", headers({{":status", "200"}, {"content-length", "5"}}) + data_frame("four")},
        Lie{"body_too_long", headers({{":status", "200"}, {"content-length", "3"}}) + data_frame("four")},
        Lie{"body_after_head", headers({{":status", "200"}, {"content-length", "4"}}) + data_frame("four")},
        Lie{"body_after_204", headers({{":status", "204"}}) + data_frame("four")},
        Lie{"smuggled_field", headers({{":status", "200"}, {"a", "b\r\nc: d"}})}),
    [](const auto& row) { return row.param.name; });

TEST(H3BadInput, EndlessInterimResponses) {
  RawServer pair;
  ASSERT_TRUE(pair.meet());
  RecordingExchange& handler = pair.handler();
  pair.client->request(test::get("/"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.raw().streams.contains(0); }));
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += headers({{":status", "103"}});
  pair.raw().send(0, bytes, false);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_LE(handler.interim.size(), 64u);
}

TEST(H3BadInput, ServerThatPushesOrOpensRequests) {
  RawServer one;
  ASSERT_TRUE(one.meet());
  one.raw().send(*one.raw().connection->open_unidirectional(), varint(1) + varint(0), false);
  EXPECT_EQ(one.closed_with(), code(H3Code::id_error));
  RawServer two;
  ASSERT_TRUE(two.meet());
  RecordingExchange& handler = two.handler();
  two.client->request(test::get("/"), handler, true);
  ASSERT_TRUE(two.run_until([&] { return two.raw().streams.contains(0); }));
  two.raw().send(0, frame(H3Frame::push_promise, varint(0)), false);
  EXPECT_EQ(two.closed_with(), code(H3Code::id_error));
  EXPECT_EQ(handler.closed, 1);
}

TEST(H3BadInput, ServerWithoutExtendedConnect) {
  RawServer pair;
  ASSERT_TRUE(pair.meet(test::settings_frame({.datagrams = true})));
  RecordingExchange& handler = pair.handler();
  pair.client->request(test::connect_udp(), handler, false);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_EQ(handler.error->kind, ErrorKind::protocol);
  EXPECT_NE(handler.error->message.find("extended CONNECT"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::http
