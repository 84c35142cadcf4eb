// Records of the access log: through the queue unchanged, and as lines of both formats.
#include "gateway/access_log.h"

#include "base/escape.h"
#include "masque/doubles_for_test.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using Text = AccessRecord::Text;

AccessRecord page() {
  AccessRecord record;
  record.fixed = {.started = WallTime(1'700'000'000'123ms),
                  .duration = 1500us,
                  .until_response = 250us,
                  .worker_key = 0xabc,
                  .number = 17,
                  .bytes_in = 3,
                  .bytes_out = 4096,
                  .stream_id = 8,
                  .client = *net::SocketAddress::parse("[::ffff:192.0.2.1]:4433"),
                  .status = 200,
                  .version = http::Version::http3,
                  .client_known = true,
                  .has_request = true};
  record[Text::connection_id] = "83948fc9";
  record[Text::tls] = "TLS1.3";
  record[Text::method] = "GET";
  record[Text::authority] = "a.test";
  record[Text::path] = "/x?y=1";
  record[Text::user_agent] = "curl/8";
  return record;
}

std::string json(const AccessRecord& record) {
  std::string out;
  append_json(record, out);
  return out;
}

std::string common(const AccessRecord& record) {
  std::string out;
  append_common(record, out);
  return out;
}

TEST(AccessFormat, APageAsJson) {
  EXPECT_EQ(
      json(page()),
      R"({"time":"2023-11-14T22:13:20.123Z","request_id":"0000000000000abc-11",)"
      R"("connection_id":"83948fc9","stream_id":8,"client":"192.0.2.1","client_port":4433,)"
      R"("version":"HTTP/3","tls":"TLS1.3","method":"GET","authority":"a.test","path":"/x?y=1",)"
      R"("status":200,"bytes_in":3,"bytes_out":4096,"duration_ms":1.5,"response_ms":0.25,"end":"complete",)"
      R"("user_agent":"curl/8"})");
}

TEST(AccessFormat, AClientWithACertificateIsNamed) {
  auto record = page();
  record[Text::server_name] = "a.test";
  record[Text::client_subject] = "CN=alice,O=A \"quoted\"";
  record[Text::client_fingerprint] = "0123abcd";
  EXPECT_NE(json(record).find(R"("sni":"a.test","client_cert_subject":"CN=alice,O=A \"quoted\"",)"
                              R"("client_cert_sha256":"0123abcd","method":)"),
            std::string::npos)
      << json(record);
}

TEST(AccessFormat, TimesWithinOneTurnAreLeftOut) {
  auto record = page();
  record.fixed.until_response = Duration::zero();
  EXPECT_EQ(json(record).find("response_ms"), std::string::npos);
  EXPECT_NE(json(record).find("duration_ms"), std::string::npos);
  record.fixed.duration = Duration::zero();
  EXPECT_EQ(json(record).find("_ms"), std::string::npos);
}

TEST(AccessFormat, APageInTheCombinedLogFormat) {
  EXPECT_EQ(common(page()),
            R"(192.0.2.1 - - [14/Nov/2023:22:13:20 +0000] "GET /x?y=1 HTTP/3" 200 4096 "-" "curl/8")");
}

TEST(AccessFormat, TunnelsNameTheirTargetsAndRefusalsWhy) {
  auto record = page();
  record[Text::identity] = "alice b";
  record[Text::method] = "CONNECT";
  record[Text::protocol] = "connect-udp";
  record[Text::path] = "/.well-known/masque/udp/2001%3Adb8%3A%3A1/53/";
  record[Text::proxy_status] = R"(sallyport; error=dns_error; details="no \"such\" name")";
  record.fixed.status = 502;
  record.fixed.end = http::ExchangeEnd::client_reset;
  record[Text::why] = "cancelled";
  const std::string text = json(record);
  for (const auto* part :
       {R"("identity":"alice b")", R"("protocol":"connect-udp")", R"("target":"[2001:db8::1]:53")",
        R"("status":502)", R"("proxy_error":"dns_error","proxy_details":"no \"such\" name")",
        R"("end":"client_reset","why":"cancelled")"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  EXPECT_TRUE(common(record).starts_with(
      R"(192.0.2.1 - alice\x20b [14/Nov/2023:22:13:20 +0000] "CONNECT /.well-known/masque/udp/)"));

  record[Text::protocol] = {};
  record[Text::path] = {};
  record[Text::authority] = "target.test:25";
  record[Text::proxy_status] = R"(sallyport; next-hop="198.51.100.7:25")";
  EXPECT_NE(json(record).find(R"("target":"target.test:25")"), std::string::npos);
  EXPECT_NE(json(record).find(R"("next_hop":"198.51.100.7:25")"), std::string::npos);
  EXPECT_NE(common(record).find("\"CONNECT target.test:25 HTTP/3\""), std::string::npos);
}

TEST(AccessFormat, AConnectIpTunnelHasItsAddressesAndPackets) {
  auto record = page();
  record[Text::method] = "CONNECT";
  record[Text::protocol] = "connect-ip";
  record[Text::path] = "/.well-known/masque/ip/*/*/";
  record[Text::addresses] = "10.89.0.2,fd89::2";
  record.fixed.datagrams_in = 2;
  const std::string text = json(record);
  EXPECT_NE(text.find(R"("status":200,"addresses":["10.89.0.2","fd89::2"],"bytes_in":3,"bytes_out":4096,)"
                      R"("datagrams_in":2,"datagrams_out":0,)"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("target"), std::string::npos) << "all hosts";
  record[Text::path] = "/.well-known/masque/ip/192.0.2.0%2F24/17/";
  EXPECT_NE(json(record).find(R"("target":"192.0.2.0/24")"), std::string::npos) << json(record);
}

TEST(AccessFormat, AClientThatDidNotShowItsAddressIsNotNamedAndNeitherIsARequestThatCouldNotBeRead) {
  auto record = page();
  record.fixed.client_known = record.fixed.has_request = false;
  record.fixed.status = 0;
  EXPECT_EQ(json(record).find("192.0.2.1"), std::string::npos);
  EXPECT_EQ(json(record).find("status"), std::string::npos);
  EXPECT_TRUE(common(record).starts_with("0.0.0.0 - - ["));
  EXPECT_NE(common(record).find("\"-\" 499 4096"), std::string::npos);
}

TEST(AccessFormat, NothingThatAPeerSendsEndsALineOrAString) {
  const std::string hostile = "a\"\\ b\r\n{\"forged\":1}\x1b[2J\x7f\xff\xc2\x9b\xe2\x80\xae";
  auto record = page();
  for (std::size_t i = 0; i < record.text.size(); ++i) record.text[i] = hostile;
  for (const std::string& line : {json(record), common(record)}) {
    EXPECT_TRUE(is_utf8(line));
    EXPECT_TRUE(
        std::ranges::none_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));
    EXPECT_EQ(line.find("\xe2\x80\xae"), std::string::npos);
    EXPECT_EQ(line.find("{\"forged\""), std::string::npos) << line;
  }
}

TEST(AccessRecord, GoesThroughTheQueueUnchangedAndLongTextsAreCut) {
  auto record = page();
  const std::string longer(10'000, 'x');
  record[Text::path] = longer;
  std::vector<std::uint8_t> encoded(record.encoded_size());
  record.encode(encoded.data());
  const AccessRecord decoded = AccessRecord::decode(encoded);
  EXPECT_EQ(decoded[Text::path].size(), AccessRecord::longest_text);
  record[Text::path] = std::string_view(longer).substr(0, AccessRecord::longest_text);
  EXPECT_EQ(json(decoded), json(record));
}

/// A sink that is blocked until the test releases it.
class Stuck final : public trace::LineSink {
 public:
  struct State {
    std::mutex mutex;
    bool open = false;
    std::string text;
  };
  explicit Stuck(State& state) : state_(state) {}
  Written write(std::string_view text, Duration) override {
    const std::lock_guard lock(state_.mutex);
    if (!state_.open) return {.error = EAGAIN};
    state_.text += text;
    return {.bytes = text.size()};
  }
  Result<bool> reopen() override { return false; }
  const std::string& name() const override { return name_; }

 private:
  State& state_;
  const std::string name_ = "stuck.log";
};

TEST(AccessLog, DropsWhatIsTooMuchAndCountsItAndNamesEachRequestOnce) {
  Stuck::State state;
  AccessLog log(std::make_unique<Stuck>(state), AccessFormat::json,
                {.queue_bytes = 4096, .interval = 1ms, .patience_at_end = 0s});
  net::Timers timers{Time(100s)};
  masque::ConnectionForTest connection{timers};
  const http::Request request;
  http::ExchangeRecord record{.request = &request, .status = 200};
  const auto first = log.for_worker(), second = log.for_worker();
  while (log.counters().dropped_queue == 0) first->on_exchange_ended(connection, record);
  second->on_exchange_ended(connection, record);  // its queue is its own
  EXPECT_EQ(log.counters().written, 0u);
  {
    const std::lock_guard lock(state.mutex);
    state.open = true;
  }
  first->on_exchange_ended(connection, record);
  while (log.counters().written == 0) {
  }
  const std::lock_guard lock(state.mutex);
  std::vector<std::string> ids;
  for (std::size_t at = state.text.find("\"request_id\""); at != std::string::npos;
       at = state.text.find("\"request_id\"", at + 1))
    ids.push_back(state.text.substr(at, 40));
  std::ranges::sort(ids);
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  EXPECT_GT(ids.size(), 1u);
}

}  // namespace
}  // namespace sallyport::gateway
