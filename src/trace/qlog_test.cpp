#include "trace/qlog.h"

#include "base/hex.h"
#include "trace/packet_for_test.h"
#include "trace/test_folder.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <boost/json.hpp>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace sallyport::trace {
namespace {

namespace json = boost::json;
using Buffer = std::vector<std::uint8_t>;
using test::one_rtt;

Buffer bytes(std::string_view hex) {
  return from_hex(hex).value();
}

const Buffer odcid = bytes("0102030405060708");
constexpr Time start{5s};

/// The records of a JSON-SEQ file, each parsed; fails the test where one is not JSON.
std::vector<json::object> records_of(const std::string& path) {
  std::vector<json::object> result;
  const std::string content = test::content_of(path);
  for (std::size_t at = 0; at < content.size();) {
    EXPECT_EQ(content[at], '\x1e');
    const std::size_t end = content.find('\n', at);
    EXPECT_NE(end, content.npos) << "a record without its line feed";
    if (end == content.npos) break;
    json::error_code error;
    const json::value value = json::parse(std::string_view(content).substr(at + 1, end - at - 1), error);
    EXPECT_FALSE(error) << content.substr(at, end - at);
    EXPECT_TRUE(value.is_object());
    if (value.is_object()) result.push_back(value.get_object());
    at = end + 1;
  }
  return result;
}

std::string field(const json::object& event, const char* pointer) {
  json::error_code error;
  const json::value whole(event);
  const json::value* found = whole.find_pointer(pointer, error);
  return found ? json::serialize(*found) : "(none)";
}

/// The events of that name.
std::vector<json::object> named(const std::vector<json::object>& records, std::string_view name) {
  std::vector<json::object> result;
  for (const json::object& record : records)
    if (record.contains("name") && record.at("name").as_string() == name) result.push_back(record);
  return result;
}

std::shared_ptr<RecorderFactory> factory(const test::Folder& folder, std::size_t ring_bytes = 1 << 20) {
  auto made = make_qlog_factory({.folder = folder.path(), .ring_bytes = ring_bytes});
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

TEST(Qlog, WritesBothSchemasHeaderAndEvents) {
  const test::Folder folder;
  const Buffer initial_header = bytes(
      "c100000001"
      "080102030405060708"
      "04aabbccdd"
      "03112233"
      "4020"
      "0000");
  const Buffer crypto = bytes("060003414243");
  const Buffer short_header = bytes(
      "40"
      "0a0b0c0d"
      "07");
  Buffer stream = bytes("0c0044b0");  // stream 0, offset 1200, with no length: to the end
  stream.resize(stream.size() + 1000, 0x41);
  const Buffer ack = bytes(
      "0207010200"
      "03");
  net::NetPath path;
  path.local = *net::SocketAddress::parse("192.0.2.1:5000");
  path.remote = *net::SocketAddress::parse("[2001:db8::1]:443");
  {
    const auto made = factory(folder);
    const auto log = made->start(start, {Vantage::client, odcid, "hop 1 (\"gw\")"});
    log->path(start, path, 1200);
    log->packet(start + 1500us, Direction::sent,
                {.type = PacketType::initial,
                 .version = 1,
                 .header = initial_header,
                 .frames = crypto,
                 .size = 1200});
    log->transport_parameters(start + 2ms, Direction::received, bytes("0a010a01048000753f"));
    log->packet(start + 3ms, Direction::sent, one_rtt(7, short_header, stream));
    log->packet(start + 4ms, Direction::received, one_rtt(9, short_header, bytes("0207400a0007")));
    log->metrics(start + 5ms, {.min_rtt = 1ms,
                               .smoothed_rtt = 2ms,
                               .latest_rtt = 3ms,
                               .congestion_window = 12000,
                               .ssthresh = ~std::uint64_t{0}});
    log->metrics(start + 6ms, {.min_rtt = 1ms,
                               .smoothed_rtt = 2ms,
                               .latest_rtt = 4ms,
                               .congestion_window = 12000,
                               .ssthresh = ~std::uint64_t{0}});
    log->metrics(start + 7ms, {.min_rtt = 1ms,
                               .smoothed_rtt = 2ms,
                               .latest_rtt = 4ms,
                               .congestion_window = 12000,
                               .ssthresh = ~std::uint64_t{0}});
    log->path(start + 8ms, path, 1400);
    log->alpn(start + 8ms, "h3");
    log->state(start + 8ms, "handshake_complete");
    log->state(start + 9ms, "handshake_complete");
    log->http_frame(start + 9ms, Direction::sent,
                    {.kind = HttpFrameKind::headers,
                     .stream_id = 4,
                     .length = 33,
                     .fields = ":method: CONNECT\nauthorization: Basic c2VjcmV0\nx-odd: \xff"});
    log->http_frame(start + 9ms, Direction::received,
                    {.kind = HttpFrameKind::settings, .length = 4, .fields = "8=1\n51=1\n4096=7\n188=9\n"});
    log->http_frame(start + 9ms, Direction::received,
                    {.kind = HttpFrameKind::priority_update, .length = 7, .fields = "u=1, i", .id = 4});
    log->http_frame(start + 9ms, Direction::received,
                    {.kind = HttpFrameKind::cancel_push, .length = 1, .id = 3});
    log->http_stream_type(start + 9ms, Direction::received, 3, 0);
    log->http_stream_type(start + 9ms, Direction::received, 7, 0x21);
    log->http_stream_type(start + 9ms, Direction::received, 11, 0x77);
    log->key_updated(start + 9ms, true, 2);
    log->capsule(start + 9ms, Direction::sent, {.stream_id = 4, .type = 0, .length = 50});
    log->capsule(start + 9ms, Direction::received, {.stream_id = 8, .length = 60, .as_datagram_frame = true});
    log->note(start + 9ms, "request r-1: refused, destination_ip_prohibited");
    log->packet_dropped(start + 9ms, PacketType::one_rtt, 30, DropCause::rejected,
                        "frame not allowed before the handshake is complete");
    log->packet_dropped(start + 9ms, PacketType::initial, 1200, DropCause::decryption_failure, {});
    log->closed(start + 10ms, {.by_peer = true, .application = true, .code = 0x10b, .reason = "bye"});
  }
  ASSERT_EQ(folder.files(), std::vector{folder.path() + "/0102030405060708_client.sqlog"});
  // Others compare it with the schema (tests/interop/qlog_test.py).
  if (const char* kept = std::getenv("SALLYPORT_QLOGS"))
    std::filesystem::copy_file(folder.files()[0], std::string(kept) + "/qlog_test.sqlog",
                               std::filesystem::copy_options::overwrite_existing);
  struct stat status{};
  ASSERT_EQ(::stat(folder.files()[0].c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u) << "a trace tells what a user did";

  const auto records = records_of(folder.files()[0]);
  ASSERT_FALSE(records.empty());
  const json::object& header = records[0];
  EXPECT_EQ(field(header, "/file_schema"), R"("urn:ietf:params:qlog:file:sequential")");
  EXPECT_EQ(field(header, "/serialization_format"), R"("application/qlog+json-seq")");
  EXPECT_EQ(field(header, "/qlog_version"), R"("0.3")");
  EXPECT_EQ(field(header, "/qlog_format"), R"("JSON-SEQ")");
  EXPECT_EQ(field(header, "/trace/title"), R"_("hop 1 (\"gw\")")_");
  EXPECT_EQ(field(header, "/trace/vantage_point/type"), R"("client")");
  EXPECT_EQ(field(header, "/trace/common_fields/ODCID"), R"("0102030405060708")");
  EXPECT_EQ(field(header, "/trace/common_fields/reference_time/clock_type"), R"("monotonic")");

  // The name is the current one; qvis looks the event up as category + what follows the colon.
  for (std::size_t i = 1; i < records.size(); ++i) EXPECT_TRUE(records[i].contains("category")) << i;
  const auto sent = named(records, "quic:packet_sent");
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(field(sent[0], "/category"), R"("transport")");
  EXPECT_EQ(field(sent[0], "/time"), "1.5E0");
  EXPECT_EQ(field(sent[0], "/data/header"),
            R"({"packet_type":"initial","packet_number":0,"version":"00000001","scil":4,"dcil":8,)"
            R"("scid":"aabbccdd","dcid":"0102030405060708","token":{"raw":{"length":3}}})");
  EXPECT_EQ(field(sent[0], "/data/raw"), R"({"length":1200,"payload_length":1173})");
  EXPECT_EQ(field(sent[1], "/data/header"), R"({"packet_type":"1RTT","packet_number":7,"dcid":"0a0b0c0d"})");
  EXPECT_EQ(field(sent[1], "/data/frames"),
            R"([{"frame_type":"stream","stream_id":0,"offset":1200,"length":1000,)"
            R"("raw":{"length":1004,"payload_length":1000}}])");
  const auto received = named(records, "quic:packet_received");
  ASSERT_EQ(received.size(), 1u);
  // 10 << the exponent of 10 that the peer announced.
  EXPECT_EQ(field(received[0], "/data/frames/0/ack_delay"), "1.024E1");

  EXPECT_EQ(field(named(records, "quic:connection_started").at(0), "/data/remote/ip_v6"), R"("2001:db8::1")");
  EXPECT_EQ(field(named(records, "quic:parameters_set").at(0), "/data"),
            R"({"initiator":"remote","owner":"remote","ack_delay_exponent":10,"max_idle_timeout":30015})");
  const auto metrics = named(records, "recovery:metrics_updated");
  ASSERT_EQ(metrics.size(), 2u) << "what did not change is not written";
  EXPECT_EQ(field(metrics[0], "/data"),
            R"({"min_rtt":1,"smoothed_rtt":2,"latest_rtt":3,"congestion_window":12000})");
  EXPECT_EQ(field(metrics[1], "/data"), R"({"latest_rtt":4})");
  const auto mtu = named(records, "quic:mtu_updated");
  ASSERT_EQ(mtu.size(), 2u);
  EXPECT_EQ(field(mtu[1], "/data"), R"({"old":1200,"new":1400})");
  EXPECT_EQ(named(records, "quic:connection_state_updated").size(), 1u);

  const auto created = named(records, "http3:frame_created");
  ASSERT_EQ(created.size(), 1u);
  EXPECT_EQ(field(created[0], "/data/frame/headers"),
            R"_([{"name":":method","value":"CONNECT"},{"name":"authorization","value":"(hidden)"},)_"
            R"({"name":"x-odd","value_bytes":"ff"}])");
  EXPECT_EQ(
      field(named(records, "http3:frame_parsed").at(0), "/data/frame/settings"),
      R"([{"name":"settings_enable_connect_protocol","value":1},{"name":"settings_h3_datagram","value":1},)"
      R"({"name":"unknown","name_bytes":4096,"value":7},{"name":"reserved","name_bytes":188,"value":9}])");
  const auto parsed = named(records, "http3:frame_parsed");
  EXPECT_EQ(field(parsed.at(1), "/data/frame"),
            R"({"frame_type":"priority_update","stream_id":4,"priority_field_value":"u=1, i",)"
            R"("raw":{"payload_length":7}})");
  EXPECT_EQ(field(parsed.at(2), "/data/frame"),
            R"({"frame_type":"cancel_push","push_id":3,"raw":{"payload_length":1}})");
  const auto types = named(records, "http3:stream_type_set");
  ASSERT_EQ(types.size(), 3u);
  EXPECT_EQ(field(types[0], "/data/stream_type"), R"("control")");
  EXPECT_EQ(field(types[1], "/data/stream_type"), R"("reserved")");
  EXPECT_EQ(field(types[2], "/data/stream_type"), R"("unknown")");
  EXPECT_EQ(field(types[2], "/data/stream_type_bytes"), "119");
  const auto keys = named(records, "quic:key_updated");
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(field(keys[0], "/data"),
            R"({"key_type":"client_1rtt_secret","key_phase":2,"trigger":"remote_update"})");
  EXPECT_EQ(field(keys[1], "/data/key_type"), R"("server_1rtt_secret")");
  EXPECT_EQ(field(named(records, "http:capsule_created").at(0), "/data/capsule/capsule_type"),
            R"("datagram")");
  EXPECT_EQ(field(named(records, "http3:datagram_parsed").at(0), "/data/quarter_stream_id"), "2");
  EXPECT_EQ(named(records, "loglevel:info").size(), 1u);
  const auto dropped = named(records, "quic:packet_dropped");
  ASSERT_EQ(dropped.size(), 2u);
  EXPECT_EQ(field(dropped[0], "/data"),
            R"({"header":{"packet_type":"1RTT"},"raw":{"length":30},"trigger":"rejected",)"
            R"("details":{"reason":"frame not allowed before the handshake is complete"}})");
  EXPECT_EQ(field(dropped[1], "/data"),
            R"({"header":{"packet_type":"initial"},"raw":{"length":1200},"trigger":"decryption_failure"})");
  EXPECT_EQ(
      field(named(records, "quic:connection_closed").at(0), "/data"),
      R"({"initiator":"remote","owner":"remote","application_error":"http_request_rejected","error_code":267,)"
      R"("reason":"bye","trigger":"application"})");
}

TEST(Qlog, TellsWhyTheConnectionEnded) {
  using Cause = Closing::Cause;
  struct Case {
    Closing closing;
    const char* data;
  };
  const std::string long_reason(1023, 'x');  // its next letter has two bytes, of which one fits
  for (
      const Case& each : {
          Case{{.cause = Cause::idle_timeout},
               R"({"initiator":"local","owner":"local","reason":"","trigger":"idle_timeout"})"},
          Case{{.cause = Cause::stateless_reset, .by_peer = true},
               R"({"initiator":"remote","owner":"remote","reason":"","trigger":"stateless_reset"})"},
          Case{{.cause = Cause::version_mismatch},
               R"({"initiator":"local","owner":"local","reason":"","trigger":"version_mismatch"})"},
          Case{{.cause = Cause::handshake_timeout},
               R"({"initiator":"local","owner":"local","reason":"handshake timeout",)"
               R"("trigger":"aborted"})"},
          Case{{.cause = Cause::path, .reason = "no way"},
               R"({"initiator":"local","owner":"local","reason":"no way","trigger":"aborted"})"},
          Case{
              {.code = 10, .reason = "b\xfcse"},
              R"({"initiator":"local","owner":"local","connection_error":"protocol_violation","error_code":10,)"
              R"("reason_bytes":"62fc7365","trigger":"error"})"},
          Case{{.by_peer = true, .application = true, .code = 0x10e, .reason = "b\xc3\xb6se"},
               R"({"initiator":"remote","owner":"remote","application_error":"unknown","error_code":270,)"
               "\"reason\":\"b\xc3\xb6se\",\"trigger\":\"application\"}"},
      }) {
    const test::Folder folder;
    {
      const auto made = factory(folder);
      made->start(start, {Vantage::client, odcid, ""})->closed(start, each.closing);
    }
    const auto closed = named(records_of(folder.files().at(0)), "quic:connection_closed");
    ASSERT_EQ(closed.size(), 1u);
    EXPECT_EQ(field(closed[0], "/data"), each.data);
  }
  const test::Folder folder;
  {
    const auto made = factory(folder);
    const std::string reason = long_reason + "\xc3\xb6";
    made->start(start, {Vantage::client, odcid, ""})->closed(start, {.code = 1, .reason = reason});
  }
  EXPECT_EQ(field(named(records_of(folder.files().at(0)), "quic:connection_closed").at(0), "/data/reason"),
            "\"" + long_reason + "\"");
}

TEST(Qlog, PacketsWithoutProtectionAreToldToo) {
  const test::Folder folder;
  {
    const auto made = factory(folder);
    const auto log = made->start(start, {Vantage::client, odcid, ""});
    log->packet(start, Direction::received,
                {.type = PacketType::version_negotiation, .frames = bytes("000000016b3343cf")});
    log->packet(start, Direction::received, {.type = PacketType::stateless_reset});
  }
  const auto received = named(records_of(folder.files().at(0)), "quic:packet_received");
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(
      field(received[0], "/data"),
      R"({"header":{"packet_type":"version_negotiation"},"supported_versions":["00000001","6b3343cf"]})");
  EXPECT_EQ(field(received[1], "/data"), R"({"header":{"packet_type":"stateless_reset"}})");
}

TEST(Qlog, TellsOfEachLossOnceWhetherReportedOrInferred) {
  const Buffer header = bytes("4001020304");
  const Buffer ack = bytes("02090001040003");  // 9 to 5, and 3 to 0
  for (const std::string_view reported : {"never", "before", "after"}) {
    const test::Folder folder;
    {
      const auto made = factory(folder);
      const auto log = made->start(start, {Vantage::server, odcid, ""});
      for (std::uint64_t i = 0; i < 10; ++i)
        log->packet(start, Direction::sent, one_rtt(i, header, bytes("01")));
      if (reported == "before") log->packet_lost(start + 50ms, PacketType::one_rtt, 4);
      log->packet(start + 50ms, Direction::received, one_rtt(0, header, ack));
      if (reported == "after") log->packet_lost(start + 50ms, PacketType::one_rtt, 4);
    }
    const auto lost = named(records_of(folder.files().at(0)), "quic:packet_lost");
    ASSERT_EQ(lost.size(), 1u) << reported;
    EXPECT_EQ(field(lost[0], "/data/header"), R"({"packet_type":"1RTT","packet_number":4})");
    EXPECT_EQ(field(lost[0], "/data/trigger"), reported == "before" ? "(none)" : R"("reordering_threshold")");
  }
}

TEST(Qlog, CallsNothingLostThatItDidNotSee) {
  const test::Folder folder;
  const Buffer header = bytes("4001020304"), ping = bytes("01");
  {
    const auto made = factory(folder, 16 * 1024);
    const auto log = made->start(start, {Vantage::server, odcid, ""});
    for (std::uint64_t i = 0; i < 10; ++i) log->packet(start, Direction::sent, one_rtt(i, header, ping));
    auto probe = one_rtt(10, header, ping);
    probe.mtu_probe = true;
    log->packet(start, Direction::sent, probe);
    Buffer ack = bytes("02090001040003");  // 9 to 5, and 3 to 0
    ack.resize(20'000);                    // never fits
    log->packet(start + 50ms, Direction::received, one_rtt(0, header, ack));
    for (std::uint64_t i = 11; i < 20; ++i)
      log->packet(start + 60ms, Direction::sent, one_rtt(i, header, ping));
    log->packet(start + 90ms, Direction::received, one_rtt(1, header, bytes("0213000008")));  // 19 to 11
    log->packet_lost(start + 90ms, PacketType::one_rtt, 4);
    log->packet_lost(start + 90ms, PacketType::one_rtt, 10);
  }
  const auto lost = named(records_of(folder.files().at(0)), "quic:packet_lost");
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(field(lost[0], "/data"), R"({"header":{"packet_type":"1RTT","packet_number":4}})");
  EXPECT_EQ(field(lost[1], "/data"),
            R"({"header":{"packet_type":"1RTT","packet_number":10},"is_mtu_probe_packet":true})");
}

TEST(Qlog, MalformedPacketsAreWrittenAsFarAsTheyGo) {
  const test::Folder folder;
  {
    const auto made = factory(folder);
    const auto log = made->start(start, {Vantage::server, odcid, ""});
    log->packet(start, Direction::received, one_rtt(1, bytes("4001"), bytes("011a01")));
    log->packet(start, Direction::received,
                {.type = PacketType::initial, .header = bytes("c0000000"), .frames = {}});
    log->packet(start, Direction::received,
                {.type = PacketType::retry,
                 .header = bytes("f000000001"
                                 "ff"),
                 .frames = bytes("aa"),
                 .size = 1});
  }
  const auto received = named(records_of(folder.files().at(0)), "quic:packet_received");
  ASSERT_EQ(received.size(), 3u);
  EXPECT_EQ(field(received[0], "/data/frames"), R"([{"frame_type":"ping"}])");
  EXPECT_EQ(field(received[0], "/data/malformed_payload_bytes"), "2");
}

TEST(Qlog, AFullRingDropsCountsAndSaysSo) {
  const test::Folder folder;
  const std::uint64_t before = qlog_events_dropped();
  std::uint64_t noted = 0;
  {
    const auto made = factory(folder, 4096);
    const auto log = made->start(start, {Vantage::client, odcid, ""});
    // More than the ring holds, faster than the writer empties it; then again when it has.
    for (; qlog_events_dropped() == before; ++noted)
      log->note(start, "a note that takes some room in the ring of this connection");
    for (std::uint64_t dropped = before; dropped != qlog_events_dropped(); ++noted) {
      std::this_thread::yield();
      dropped = qlog_events_dropped();
      log->note(start + 1s, "the last one");
    }
  }
  const std::uint64_t dropped = qlog_events_dropped() - before;
  EXPECT_GT(dropped, 0u);
  const auto records = records_of(folder.files().at(0));
  std::uint64_t said = 0;
  for (const json::object& gap : named(records, "loglevel:warning"))
    said += gap.at("data").at("events_dropped").to_number<std::uint64_t>();
  EXPECT_EQ(said, dropped);
  EXPECT_EQ(named(records, "loglevel:info").size() + dropped, noted);
  EXPECT_EQ(field(records.back(), "/data/message"), R"("the last one")");
}

TEST(Qlog, DropsAtTheEndAreSaidToo) {
  const test::Folder folder;
  const std::uint64_t before = qlog_events_dropped();
  {
    const auto made = factory(folder, 4096);
    const auto log = made->start(start, {Vantage::client, odcid, ""});
    const Buffer big(5000, 0);  // never fits
    log->packet(start, Direction::sent, one_rtt(0, bytes("4001"), big));
  }
  EXPECT_EQ(qlog_events_dropped() - before, 1u);
  const auto records = records_of(folder.files().at(0));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(field(records[0], "/file_schema"), R"("urn:ietf:params:qlog:file:sequential")");
  EXPECT_EQ(field(records[1], "/data/events_dropped"), "1");
}

// docs/threat-model.md, "full disk": a limit on the size of files refuses writes as a full disk does, and can
// be lifted again.
TEST(Qlog, AFullDiskDropsRecordsAndKeepsTheFileWhole) {
  const test::Folder folder;
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100'000, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::uint64_t before = qlog_events_dropped();
  {
    const auto made = factory(folder);
    const auto log = made->start(start, {Vantage::client, odcid, ""});
    log->note(start, "before");
    while (folder.files().empty()) std::this_thread::yield();
    for (int i = 0; i < 3000; ++i)
      log->note(start + 1s, "this is too much for the disk that the files are on");
    while (qlog_events_dropped() == before) std::this_thread::yield();
    ::setrlimit(RLIMIT_FSIZE, &old);
    log->note(start + 2s, "after");
  }
  ::signal(SIGXFSZ, old_handler);
  ::setrlimit(RLIMIT_FSIZE, &old);
  const std::uint64_t dropped = qlog_events_dropped() - before;
  const auto records = records_of(folder.files().at(0));  // all of them whole
  EXPECT_EQ(field(records.back(), "/data/message"), R"("after")");
  std::uint64_t said = 0;
  for (const json::object& gap : named(records, "loglevel:warning"))
    said += gap.at("data").at("events_dropped").to_number<std::uint64_t>();
  EXPECT_EQ(said, dropped);
  EXPECT_EQ(named(records, "loglevel:info").size() + dropped, 3002u);
}

TEST(Qlog, FilesOfTheSameIdDoNotOverwriteEachOther) {
  const test::Folder folder;
  {
    const auto made = factory(folder);
    for (const char* title : {"one", "two", "three"})
      made->start(start, {Vantage::server, odcid, title})->note(start, title);
    made->start(start, {Vantage::client, odcid, "other side"})->note(start, "x");
    made->start(start, {Vantage::client, odcid, "nothing happened"});
  }
  EXPECT_EQ(folder.files().size(), 4u);
  EXPECT_EQ(records_of(folder.path() + "/0102030405060708_server.sqlog").size(), 2u);
  EXPECT_EQ(records_of(folder.path() + "/0102030405060708_server-3.sqlog").size(), 2u);
}

/// However long it takes: who runs the tests ends one that hangs.
template <class Condition>
void wait_until(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

TEST(Qlog, ReachesTheDiskByItself) {
  const test::Folder folder;
  const auto made = factory(folder);
  const auto log = made->start(start, {Vantage::server, odcid, ""});
  log->note(start, "now");
  wait_until([&] {
    return !folder.files().empty() && test::content_of(folder.files()[0]).find("now") != std::string::npos;
  });
  EXPECT_EQ(records_of(folder.files()[0]).size(), 2u);
}

TEST(Qlog, AConnectionThatRecordsWithoutEndHoldsUpNoOther) {
  const test::Folder folder;
  const auto made = factory(folder, 64 * 1024);
  const auto busy = made->start(start, {Vantage::server, odcid, "busy"});
  const auto quiet = made->start(start, {Vantage::client, odcid, "quiet"});
  std::atomic<bool> stop = false;
  std::thread recording([&] {
    while (!stop) busy->note(start, "once more");
  });
  quiet->note(start, "heard");
  const std::string path = folder.path() + "/0102030405060708_client.sqlog";
  wait_until([&] {
    return std::filesystem::exists(path) && test::content_of(path).find("heard") != std::string::npos;
  });
  stop = true;
  recording.join();
}

TEST(Qlog, ARecorderMayOutliveTheFactory) {
  const test::Folder folder;
  auto made = factory(folder, 4096);
  const auto log = made->start(start, {Vantage::server, odcid, ""});
  log->note(start, "written");
  made.reset();
  for (int i = 0; i < 1000; ++i) log->note(start, "nobody writes this any more");
  EXPECT_EQ(records_of(folder.files().at(0)).size(), 2u);
}

TEST(Qlog, SaysWhichFolderCannotBeUsed) {
  const test::Folder folder;
  const std::string file = folder.path() + "/file";
  std::ofstream(file) << "x";
  for (const std::string& path : {file, file + "/below", std::string("/proc/nothing")}) {
    const auto made = make_qlog_factory({.folder = path});
    ASSERT_FALSE(made) << path;
    EXPECT_EQ(made.error().kind, ErrorKind::file);
    EXPECT_NE(made.error().message.find(path), std::string::npos) << made.error().message;
    EXPECT_EQ(check_qlog_folder(path).error().message, made.error().message);
  }
}

TEST(Qlog, MakesItsFolder) {
  const test::Folder folder;
  EXPECT_TRUE(check_qlog_folder(folder.path() + "/a/b"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_TRUE(make_qlog_factory({.folder = folder.path() + "/a/b"}));
  EXPECT_TRUE(check_qlog_folder(folder.path() + "/a/b"));
  EXPECT_TRUE(std::filesystem::is_directory(folder.path() + "/a/b"));
}

}  // namespace
}  // namespace sallyport::trace
