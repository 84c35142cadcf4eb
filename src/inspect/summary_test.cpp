#include "inspect/summary.h"

#include "inspect/qlog_reader.h"
#include "inspect/qlog_time.h"
#include "trace/test_folder.h"

#include <cmath>

namespace sallyport::inspect {
namespace {

/// A file beside the sources.
std::string sample(const std::string& name) {
  return std::string(SALLYPORT_TRACE_SAMPLES "/") + name;
}

TraceSummary summary_of(const std::string& name) {
  const auto summaries = summarize_qlog(sample(name));
  EXPECT_TRUE(summaries) << summaries.error().message;
  EXPECT_EQ(summaries ? summaries->size() : 0, 1u);
  return summaries && !summaries->empty() ? summaries->front() : TraceSummary{};
}

Result<std::vector<TraceSummary>> summarize(std::string_view text) {
  return summarize_qlog(as_bytes(text), "test.qlog");
}

// The samples were made by the programs they are named after; the figures were computed from them by another
// program.

TEST(Summary, AioquicContainedWithAbsoluteTimes) {
  const TraceSummary client = summary_of("aioquic-1.7-client.qlog");
  EXPECT_EQ(client.vantage, "client");  // follows the events
  EXPECT_EQ(client.writer, "aioquic");
  EXPECT_EQ(client.connection_id, "ceb6ff3a415b87e6");
  EXPECT_EQ(client.events, 106u);
  EXPECT_EQ(client.sent.packets, 8u);
  EXPECT_EQ(client.sent.bytes, 1861u);
  EXPECT_EQ(client.sent.stream_bytes, 38u);
  EXPECT_EQ(client.received.packets, 22u);
  EXPECT_EQ(client.received.bytes, 22051u);
  EXPECT_EQ(client.received.stream_bytes, 20033u);
  EXPECT_NEAR(client.duration, 8.0686, 0.001);
  EXPECT_NEAR(client.handshake.value(), 4.1079, 0.001);
  EXPECT_NEAR(client.quic_ttfb.value(), 3.6973, 0.001);
  EXPECT_NEAR(client.http_ttfb.value(), 0.845, 0.001);
  ASSERT_TRUE(client.rtt);
  EXPECT_EQ(client.rtt->samples, 2u);
  EXPECT_NEAR(client.rtt->p99, 2.152, 0.001);
  EXPECT_NEAR(client.rtt->jitter, 1.152, 0.001);
  ASSERT_TRUE(client.congestion_window);
  EXPECT_EQ(client.congestion_window->last, 13612u);

  const TraceSummary server = summary_of("aioquic-1.7-server.qlog");
  EXPECT_EQ(server.vantage, "server");
  EXPECT_EQ(server.sent.stream_bytes, 20033u);
  EXPECT_NEAR(server.handshake.value(), 3.9331, 0.001);
  EXPECT_NEAR(server.quic_ttfb.value(), 1.1602, 0.001);
  EXPECT_NEAR(server.http_ttfb.value(), 0.016, 0.001);
  EXPECT_EQ(server.requests, 1u);
}

TEST(Summary, QuicGoWithTheCurrentHeader) {
  const TraceSummary client = summary_of("quic-go-0.65-client.sqlog");
  EXPECT_EQ(client.vantage, "client");
  EXPECT_EQ(client.connection_id, "50c77c51b731dae87a862faa8e");
  EXPECT_EQ(client.events, 106u);
  EXPECT_EQ(client.sent.packets, 10u);
  EXPECT_EQ(client.sent.bytes, 4075u);
  EXPECT_EQ(client.sent.stream_bytes, 94u);
  EXPECT_EQ(client.received.packets, 42u);
  EXPECT_EQ(client.received.bytes, 43560u);
  EXPECT_EQ(client.received.stream_bytes, 40116u);
  EXPECT_NEAR(client.duration, 2.377188, 1e-6);
  EXPECT_NEAR(client.handshake.value(), 1.182865, 1e-6);  // from its connection_state_updated
  EXPECT_NEAR(client.quic_ttfb.value(), 1.197778, 1e-6);
  EXPECT_EQ(client.requests, 2u);
  ASSERT_TRUE(client.rtt);
  EXPECT_EQ(client.rtt->samples, 3u);
  EXPECT_NEAR(client.rtt->min, 0.235944, 1e-6);
  EXPECT_NEAR(client.rtt->mean, 0.495173, 1e-6);
  EXPECT_NEAR(client.rtt->jitter, 0.308849, 1e-6);
  EXPECT_EQ(client.congestion_window->max, 40960u);
}

TEST(Summary, QuicGoWithTheOldHeader) {
  const TraceSummary server = summary_of("quic-go-0.54-server.sqlog");
  EXPECT_EQ(server.vantage, "server");
  EXPECT_EQ(server.title, "quic-go qlog");
  EXPECT_EQ(server.sent.packets, 43u);
  EXPECT_EQ(server.sent.bytes, 43539u);
  EXPECT_EQ(server.sent.stream_bytes, 40111u);
  EXPECT_NEAR(server.handshake.value(), 1.23218, 1e-6);
  EXPECT_NEAR(server.quic_ttfb.value(), 0.360712, 1e-6);
  ASSERT_TRUE(server.http_ttfb) << "without HTTP events, STREAM frames stand for them";
  EXPECT_EQ(server.rtt->samples, 6u);
  EXPECT_NEAR(server.rtt->mean, 0.469116, 1e-6);
}

TEST(Summary, Ngtcp2) {
  const TraceSummary client = summary_of("ngtcp2-1.11-client.sqlog");
  EXPECT_EQ(client.vantage, "client");
  EXPECT_EQ(client.writer, "ngtcp2");
  EXPECT_EQ(client.sent.bytes, 5448u);
  EXPECT_EQ(client.received.packets, 38u);
  EXPECT_EQ(client.received.bytes, 45813u);
  EXPECT_EQ(client.received.stream_bytes, 40060u);
  EXPECT_DOUBLE_EQ(client.duration, 4);
  EXPECT_DOUBLE_EQ(client.handshake.value(), 2);
  EXPECT_EQ(client.congestion_window->last, 15607u);
}

/// What older drafts and other writers call the same things.
TEST(Summary, FramesThatNameTheirStreamById) {
  const TraceSummary client = summary_of("draft-01-frame-id.qlog");
  EXPECT_EQ(client.sent.stream_bytes, 100u);
  EXPECT_EQ(client.received.stream_bytes, 1000u);
  EXPECT_EQ(client.requests, 1u);
  EXPECT_DOUBLE_EQ(client.http_ttfb.value(), 5);
}

TEST(Summary, NamesInCapitals) {
  const TraceSummary client = summary_of("draft-00-capitals.qlog");
  EXPECT_EQ(client.sent.packets, 1u);
  EXPECT_EQ(client.sent.bytes, 140u);
  EXPECT_EQ(client.sent.stream_bytes, 100u);
  EXPECT_EQ(client.received.stream_bytes, 1000u);
  EXPECT_DOUBLE_EQ(client.quic_ttfb.value(), 5);
}

TEST(Summary, ShortHeaderPacketsInSmallLetters) {
  const TraceSummary client = summary_of("draft-01-1rtt.qlog");
  EXPECT_EQ(client.received.stream_bytes, 1000u);
  EXPECT_FALSE(client.handshake) << "there is only one packet to reckon with";
  EXPECT_DOUBLE_EQ(client.quic_ttfb.value(), 5);
}

TEST(Summary, MvfstTellsOfSeveralLossesAtOnce) {
  const TraceSummary server = summary_of("mvfst-packets-lost.qlog");
  EXPECT_EQ(server.vantage, "server");
  EXPECT_EQ(server.sent.packets, 2u);
  EXPECT_EQ(server.sent.stream_bytes, 2000u);
  EXPECT_EQ(server.packets_lost, 2u);
  EXPECT_DOUBLE_EQ(server.loss_percent, 100);
}

TEST(Summary, MvfstsCongestionWindowAndStatesInCapitals) {
  const auto summaries = summarize(R"({"qlog_version":"draft-00","traces":[{
    "vantage_point":{"type":"CLIENT"},"configuration":{"time_units":"US"},
    "event_fields":["relative_time","CATEGORY","EVENT_TYPE","TRIGGER","DATA"],
    "events":[["0","TRANSPORT","PACKET_SENT","DEFAULT",{"packet_type":"INITIAL","header":{"packet_size":1200}}],
              ["3000","CONNECTIVITY","CONNECTION_STATE_UPDATED","DEFAULT",{"new":"HANDSHAKE_COMPLETE"}],
              ["4000","METRIC_UPDATE","CONGESTION_METRIC_UPDATE","DEFAULT",{"bytes_in_flight":20,"current_cwnd":13000}],
              ["5000","LOSS","PACKETS_LOST","ALARM",{"largest_lost_packet_num":9,"lost_bytes":9e9,"lost_packets":1e18}]]}]})");
  ASSERT_TRUE(summaries) << summaries.error().message;
  EXPECT_EQ(summaries->front().vantage, "client");
  EXPECT_DOUBLE_EQ(summaries->front().handshake.value(), 3);
  ASSERT_TRUE(summaries->front().congestion_window);
  EXPECT_EQ(summaries->front().congestion_window->last, 13000u);
  EXPECT_EQ(summaries->front().packets_lost, 1'000'000'000u) << "nonsense stays within bounds";
}

TEST(Summary, DeltaTimesAndEventsAsArrays) {
  const auto summaries = summarize(R"({"qlog_version":"draft-01","traces":[{
    "vantage_point":{"type":"NETWORK","flow":"client"},"configuration":{"time_units":"us"},
    "common_fields":{"ODCID":"ab"},
    "events":[[1000,"TRANSPORT","PACKET_SENT",{}],
              [500,"transport","packet_sent",{"packet_type":"1RTT","header":{"packet_size":"120"},
                "frames":[{"frame_type":"stream","stream_id":"0","offset":"0","length":"100"}]}],
              [2000,"transport","packet_received",{"packet_type":"1RTT","header":{"packet_size":1000},
                "frames":[{"frame_type":"stream","stream_id":"0","offset":"0","length":"900"}]}],
              [1,"recovery","metric_update",{"latest_rtt":2000,"cwnd":14000}],
              []],
    "event_fields":["delta_time","CATEGORY","EVENT_TYPE","DATA"]}]})");
  ASSERT_TRUE(summaries) << summaries.error().message;
  const TraceSummary& summary = summaries->front();
  EXPECT_EQ(summary.vantage, "client");
  EXPECT_EQ(summary.sent.packets, 2u);
  EXPECT_EQ(summary.sent.bytes, 120u);
  EXPECT_EQ(summary.received.stream_bytes, 900u);
  EXPECT_DOUBLE_EQ(summary.duration, 2.5);
  EXPECT_DOUBLE_EQ(summary.http_ttfb.value(), 2);
  EXPECT_DOUBLE_EQ(summary.rtt->min, 2);
  EXPECT_EQ(summary.congestion_window->max, 14000u);
}

// A server answers the first packet in the turn in which it comes, and what it has at hand likewise.
TEST(Summary, ATimeWithinOneTurnIsNoFigure) {
  const auto summaries =
      summarize(R"({"qlog_format":"NDJSON","qlog_version":"0.3","trace":{"vantage_point":{"type":"server"}}}
{"time":1,"name":"quic:packet_received","data":{"header":{"packet_type":"initial"},"raw":{"length":1200}}}
{"time":1,"name":"quic:packet_sent","data":{"header":{"packet_type":"1RTT"},"raw":{"length":150}}}
{"time":4,"name":"quic:connection_state_updated","data":{"new":"handshake_complete"}}
{"time":5,"name":"http3:frame_parsed","data":{"stream_id":0,"frame":{"frame_type":"headers"}}}
{"time":5,"name":"http3:frame_created","data":{"stream_id":0,"frame":{"frame_type":"headers"}}}
)");
  ASSERT_TRUE(summaries) << summaries.error().message;
  const TraceSummary& summary = summaries->front();
  EXPECT_DOUBLE_EQ(summary.handshake.value(), 3);
  EXPECT_EQ(summary.requests, 1u);
  EXPECT_FALSE(summary.quic_ttfb);
  EXPECT_FALSE(summary.http_ttfb);
  EXPECT_FALSE(summary.http_ttfb_mean);
}

TEST(Summary, NewlineDelimitedAndCurrentNames) {
  const auto summaries =
      summarize(R"({"qlog_format":"NDJSON","qlog_version":"0.3","trace":{"vantage_point":{"type":"server"}}}
{"time":0,"name":"quic:packet_received","data":{"header":{"packet_type":"initial"},"raw":{"length":1200}}}
{"time":1,"name":"quic:packet_received","data":{"header":{"packet_type":"1RTT"},"raw":{"length":50}}}
{"time":4,"name":"quic:recovery_metrics_updated","data":{"latest_rtt":7.5}}
{"time":5,"name":"quic:packet_sent","data":{"raw":{"length":150},"frames":[{"frame_type":"datagram","raw":{"length":100}}]}}
{"time":6,"name":"quic:packet_lost","data":{"header":{"packet_type":"1RTT","packet_number":0}}}
{"time":6,"name":"quic:packet_lost","data":{"is_mtu_probe_packet":true}}
)");
  ASSERT_TRUE(summaries) << summaries.error().message;
  const TraceSummary& summary = summaries->front();
  EXPECT_EQ(summary.vantage, "server");
  EXPECT_EQ(summary.sent.datagrams, 1u);
  EXPECT_EQ(summary.sent.datagram_bytes, 100u);
  EXPECT_EQ(summary.packets_lost, 1u);
  EXPECT_EQ(summary.mtu_probes_lost, 1u);
  EXPECT_DOUBLE_EQ(summary.loss_percent, 100);
  EXPECT_DOUBLE_EQ(summary.rtt->mean, 7.5);
  EXPECT_DOUBLE_EQ(summary.handshake.value(), 1);
}

TEST(Summary, TakesTheLengthOfDataFromWhereverItIs) {
  const auto summaries = summarize(R"({"qlog_format":"NDJSON","qlog_version":"0.3","trace":{}}
{"time":1,"name":"quic:packet_sent","data":{"frames":[{"frame_type":"datagram","raw":{"length":1000,"payload_length":1}}]}}
{"time":2,"name":"quic:packet_sent","data":{"frames":[{"frame_type":"datagram","length":20,"raw":{"length":1000}}]}}
{"time":3,"name":"quic:packet_sent","data":{"frames":[{"frame_type":"datagram","length":300}]}}
{"time":4,"name":"quic:packet_sent","data":{"frames":[{"frame_type":"datagram","raw":{"length":4000}}]}}
{"time":5,"name":"quic:packet_sent","data":{"frames":[{"frame_type":"datagram","raw":{}}]}}
{"time":6,"name":"quic:packet_sent","data":{"frames":[{"frame_type":"datagram"}]}}
)");
  ASSERT_TRUE(summaries) << summaries.error().message;
  EXPECT_EQ(summaries->front().sent.datagrams, 6u);
  EXPECT_EQ(summaries->front().sent.datagram_bytes, 4321u);
}

TEST(Summary, SeveralTracesAndGroupsEachGetTheirOwn) {
  const auto traces = summarize(R"({"traces":[
    {"title":"one","events":[{"time":1,"name":"transport:packet_sent","data":{}}]},
    {"title":"two","events":[{"time":1,"name":"transport:packet_received","data":{}}]}]})");
  ASSERT_TRUE(traces) << traces.error().message;
  ASSERT_EQ(traces->size(), 2u);
  EXPECT_EQ((*traces)[0].title, "one");
  EXPECT_EQ((*traces)[0].vantage, "client") << "who sends first is one";
  EXPECT_EQ((*traces)[1].vantage, "server");

  const auto groups = summarize(
      "{\"qlog_version\":\"0.3\",\"trace\":{}}\n"
      R"({"time":1,"group_id":"aa","name":"transport:packet_sent","data":{}})"
      "\n"
      R"({"time":2,"group_id":"bb","name":"transport:packet_sent","data":{}})"
      "\n"
      R"({"time":3,"group_id":"aa","name":"transport:packet_sent","data":{}})"
      "\n");
  ASSERT_TRUE(groups) << groups.error().message;
  ASSERT_EQ(groups->size(), 2u);
  EXPECT_EQ((*groups)[0].connection_id, "aa");
  EXPECT_EQ((*groups)[0].sent.packets, 2u);
}

TEST(Summary, ARecordCutOffAtTheEndIsToleratedAndSaid) {
  const std::string whole = trace::test::content_of(sample("quic-go-0.65-client.sqlog"));
  const auto cut = summarize(std::string_view(whole).substr(0, whole.size() - 40));
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_TRUE(cut->front().cut);
  EXPECT_EQ(cut->front().events, 105u);
  EXPECT_FALSE(summarize(whole)->front().cut);
}

TEST(Summary, BadFilesGetOneSentenceThatSaysWhere) {
  const auto message = [](std::string_view text) {
    const auto result = summarize(text);
    return result ? std::string("(read)") : result.error().message;
  };
  EXPECT_EQ(message(""), "cannot read the qlog test.qlog: it is empty");
  EXPECT_EQ(message("\x1f\x8b gzip"), "cannot read the qlog test.qlog: it is not JSON (is it compressed?)");
  EXPECT_EQ(message("{}"), "cannot read the qlog test.qlog: it holds no traces");
  EXPECT_EQ(message("\x1e{\"a\":1}\n"),
            "cannot read the qlog test.qlog: record 1: it is not the header of a qlog");
  const std::string header = "\x1e{\"qlog_version\":\"0.3\",\"trace\":{}}\n";
  EXPECT_EQ(message(header + "\x1e{\"time\":1}\n\x1e{\"time\":x}\n").substr(0, 47),
            "cannot read the qlog test.qlog: record 3: synta");
  EXPECT_EQ(message(header + "\x1e{\"name\":\"a:b\",\"data\":{}}\n"),
            "cannot read the qlog test.qlog: record 2: an event has no time");
  EXPECT_EQ(message(header + "\x1e"
                             "7\n"),
            "cannot read the qlog test.qlog: record 2: an event is neither an object nor an array");
  EXPECT_EQ(message(header + "\x1e[1,2]\n"),
            "cannot read the qlog test.qlog: record 2: events are arrays but the trace has no event_fields");
  EXPECT_EQ(message(header + "\x1e{\"time\":1e300,\"name\":\"a:b\",\"data\":{}}\n"),
            "cannot read the qlog test.qlog: record 2: an event's time is out of range");
  EXPECT_EQ(message("{\"traces\":[\n{\"events\":[\n{\"time\":1,]}]}").substr(0, 40),
            "cannot read the qlog test.qlog: line 3: ");
  EXPECT_EQ(message("{\"traces\":[{\"events\":[{\"time\":1").substr(0, 40),
            "cannot read the qlog test.qlog: line 1: ");
  EXPECT_EQ(message("{\"traces\":[{\"events\":[]}]} x").substr(0, 40),
            "cannot read the qlog test.qlog: line 1: ");
  EXPECT_EQ(message("{\"traces\":[{\"events\":[{\"time\":0},{\"time\":{}}]}]}"),
            "cannot read the qlog test.qlog: event 2: an event's time is not a number");
  EXPECT_EQ(summarize_qlog("/no/such.qlog").error().message,
            "cannot open /no/such.qlog: No such file or directory");
  EXPECT_EQ(summarize_qlog("/tmp").error().message, "cannot read /tmp: it is not a regular file");
  EXPECT_FALSE(summarize(std::string(100'000, '[')));
  EXPECT_FALSE(summarize("{\"traces\":[{\"events\":[" + std::string(100'000, '[')));
}

TEST(Summary, HostileNumbersGiveValidJson) {
  const auto summaries = summarize(
      "{\"qlog_version\":\"0.3\",\"trace\":{\"title\":\"\\u001b[2J\"}}\n"
      R"({"time":-1e16,"name":"transport:packet_sent","data":{"raw":{"length":1e308},"frames":[1,{"frame_type":"stream","stream_id":-1},{"frame_type":"stream","stream_id":18446744073709551615,"offset":18446744073709551615,"length":18446744073709551615}]}})"
      "\n"
      R"({"time":1e16,"name":"recovery:metrics_updated","data":{"latest_rtt":1e308,"congestion_window":18446744073709551615}})"
      "\n");
  ASSERT_TRUE(summaries) << summaries.error().message;
  const std::string out = summaries_as_json(*summaries);
  EXPECT_EQ(out.find("inf"), std::string::npos) << out;
  EXPECT_EQ(out.find("nan"), std::string::npos) << out;
  EXPECT_EQ(summaries_as_table(*summaries).find('\x1b'), std::string::npos);
}

TEST(Summary, JsonAndTable) {
  const auto summaries = summarize_qlog(sample("quic-go-0.65-client.sqlog"));
  ASSERT_TRUE(summaries);
  const std::string out = summaries_as_json(*summaries);
  for (const char* part : {R"("vantage":"client")", R"("duration_ms":2.377,)", R"("handshake_ms":1.183)",
                           R"("rtt":{"samples":3)", R"("sent":{"packets":10,"bytes":4075,"stream_bytes":94)",
                           R"("packets_lost":0)"})
    EXPECT_NE(out.find(part), std::string::npos) << part << " in " << out;
  const std::string table = summaries_as_table(*summaries);
  for (const char* part : {"quic-go-0.65-client.sqlog", "TTFB, HTTP", "RTT, p99", "0.854 ms", "0 (0.000%)"})
    EXPECT_NE(table.find(part), std::string::npos) << part << " in\n" << table;
}

std::optional<double> start_of(const std::string& header, const std::string& time) {
  const auto summaries = summarize("{\"qlog_version\":\"0.3\",\"trace\":" + header + "}\n{\"time\":" + time +
                                   ",\"name\":\"a:b\",\"data\":{}}\n");
  EXPECT_TRUE(summaries) << summaries.error().message;
  return summaries ? summaries->front().start : std::nullopt;
}

TEST(Summary, StartsByTheReferenceTimesOfAllDrafts) {
  EXPECT_EQ(format_rfc3339(summary_of("quic-go-0.65-client.sqlog").start.value()),
            "2026-11-22T21:05:22.643Z");
  EXPECT_EQ(format_rfc3339(summary_of("quic-go-0.54-server.sqlog").start.value()),
            "2026-11-22T21:05:23.900Z");
  EXPECT_EQ(format_rfc3339(summary_of("aioquic-1.7-client.qlog").start.value()), "2026-11-22T21:05:20.753Z");
  EXPECT_FALSE(summary_of("ngtcp2-1.11-client.sqlog").start) << "it does not say";
  const auto object = [](const std::string& text) {
    return R"({"common_fields":{"reference_time":{"clock_type":"monotonic","epoch":"unknown","wall_clock_time":")" +
           text + "\"}}}";
  };
  EXPECT_DOUBLE_EQ(start_of(object("2026-11-22T21:05:22.5Z"), "250").value(), 1795381522750);
  EXPECT_DOUBLE_EQ(start_of(object("2026-11-22T23:05:22+02:00"), "0").value(), 1795381522000);
  for (const char* bad :
       {"", "2026-11-22", "2026-13-22T21:05:22Z", "2026-11-22T21:05:22", "2026-11-22T21:05:22+2"})
    EXPECT_FALSE(start_of(object(bad), "1")) << bad;
  EXPECT_DOUBLE_EQ(start_of(R"({"common_fields":{"reference_time":"1795381522000"}})", "1").value(),
                   1795381522001);
  EXPECT_FALSE(start_of("{}", "1e16")) << "nonsense";
}

/// The last event of a trace whose first is a packet that the client sent.
CloseSummary close_of(const std::string& vantage, const std::string& event) {
  const auto summaries = summarize(R"({"qlog_version":"0.3","trace":{"vantage_point":{"type":")" + vantage +
                                   "\"}}}\n{\"time\":1," + event + "}\n");
  EXPECT_TRUE(summaries) << summaries.error().message;
  return summaries && summaries->front().close ? *summaries->front().close : CloseSummary{"none", {}, {}, {}};
}

TEST(Summary, SaysHowTheConnectionClosed) {
  const CloseSummary asked = close_of(
      "server",
      R"("name":"quic:connection_closed","data":{"initiator":"remote","application_error":"h3_no_error","reason":"bye","trigger":"application"})");
  EXPECT_EQ(asked.by, "client");
  EXPECT_EQ(asked.error, "h3_no_error");
  EXPECT_EQ(asked.reason, "bye");
  const CloseSummary unknown = close_of(
      "server",
      R"("name":"quic:connection_closed","data":{"owner":"local","connection_error":"unknown","error_code":304})");
  EXPECT_EQ(unknown.by, "server");
  EXPECT_EQ(unknown.error, "0x130");
  const CloseSummary idle =
      close_of("client", R"("name":"connectivity:connection_closed","data":{"trigger":"idle_timeout"})");
  EXPECT_EQ(idle.by, "");
  EXPECT_EQ(idle.trigger, "idle_timeout");
  // Writers without the event tell it by the frame.
  const CloseSummary frame = summary_of("aioquic-1.7-client.qlog").close.value();
  EXPECT_EQ(frame.by, "client");
  EXPECT_EQ(frame.error, "0x0");
  EXPECT_EQ(summary_of("aioquic-1.7-server.qlog").close.value().by, "client");
  EXPECT_EQ(close_of("client", R"("name":"quic:packet_sent","data":{})").by, "none");
}

TEST(Summary, TablesOfManyFilesAreSortedAndFitATerminal) {
  std::vector<TraceSummary> all;
  for (int i = 0; i < 7; ++i) {
    TraceSummary& each = all.emplace_back();
    each.file = "/tmp/0123456789abcdef0123456789abcdef0" + std::to_string(i) + "_client.sqlog";
    each.title = "origin https://a-long-name.example.com:8443 over HTTP/3";
    each.vantage = "client";
    if (i != 3) each.start = 1795381522000.0 + 1000 * ((i * 3) % 7);
    if (i % 2 == 0) each.close = CloseSummary{"server", "h3_no_error", "", "application"};
    if (i == 5) each.close = CloseSummary{"client", "crypto_error_0x12a", "", "error"};
    if (i == 1)
      each.close = CloseSummary{"", "", "a reason of many words that is cut in its middle", "idle_timeout"};
  }
  sort_by_start(all);
  std::string order;
  for (const TraceSummary& each : all) order += each.file[each.file.find('_') - 1];
  EXPECT_EQ(order, "0516423") << "the one without a time is last";
  const std::string table = summaries_as_table(all);
  std::size_t lines = 0;
  for (std::size_t at = 0, end = 0; (end = table.find('\n', at)) != table.npos; at = end + 1, ++lines)
    EXPECT_LE(end - at, 100u) << table.substr(at, end - at);
  EXPECT_GT(lines, 60u) << "three tables, one below the other";
  for (const char* part :
       {"012345678.._client.sqlog", "server: h3_no_error", "idle timeout", "client: TLS alert 42",
        "a reason of many words..", "2026-11-22 21:05:22.000", "vantage point", "closed", "close reason"})
    EXPECT_NE(table.find(part), table.npos) << part << " in\n" << table;
  EXPECT_NE(
      summaries_as_json(all).find(R"("close":{"by":"server","error":"h3_no_error","trigger":"application"})"),
      std::string::npos);
}

TEST(Summary, PiecesOfALargeFileJoinAnywhere) {
  // Larger than one read, so keys, strings and numbers are split at many places.
  std::string contained = "{\"traces\":[{\"events\":[";
  std::string sequence = "\x1e{\"qlog_version\":\"0.3\",\"trace\":{}}\n";
  constexpr std::size_t count = 20'000;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string event = "{\"time\":" + std::to_string(i) +
                              ".25,\"name\":\"transport:packet_sent\",\"data\":{\"raw\":{\"length\":" +
                              std::to_string(1000 + i % 7) + "},\"" + std::string(i % 97, 'k') + "\":\"" +
                              std::string(i % 101, 's') + "\"}}";
    contained += (i == 0 ? "" : ",") + event;
    sequence += "\x1e" + event + "\n";
  }
  contained += "],\"vantage_point\":{\"type\":\"server\"}}]}";
  for (const std::string& text : {contained, sequence}) {
    ASSERT_GT(text.size(), 2'000'000u);
    const auto summaries = summarize(text);
    ASSERT_TRUE(summaries) << summaries.error().message;
    EXPECT_EQ(summaries->front().sent.packets, count);
    EXPECT_EQ(summaries->front().sent.bytes, 1000 * count + (count / 7) * 21);
    EXPECT_DOUBLE_EQ(summaries->front().duration, count - 1);
  }
  EXPECT_EQ(summarize(contained)->front().vantage, "server");
}

TEST(Summary, ManySamplesKeepTheirPercentile) {
  std::string text = "{\"qlog_version\":\"0.3\",\"trace\":{}}\n";
  constexpr int count = 600'000;
  for (int i = 0; i < count; ++i)
    text += "{\"time\":" + std::to_string(i) +
            ",\"name\":\"recovery:metrics_updated\",\"data\":{\"latest_rtt\":" +
            std::to_string(1 + i * 7919LL % count) + "}}\n";
  const auto summaries = summarize(text);
  ASSERT_TRUE(summaries) << summaries.error().message;
  EXPECT_EQ(summaries->front().rtt->samples, static_cast<std::uint64_t>(count));
  EXPECT_NEAR(summaries->front().rtt->p99, 0.99 * count, 0.002 * count);
}

}  // namespace
}  // namespace sallyport::inspect
