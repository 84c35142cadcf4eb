#include "trace/transport_parameters.h"

#include "base/hex.h"
#include "base/varint.h"

#include <array>

#include <gtest/gtest.h>

namespace sallyport::trace {
namespace {

std::string json_of(Bytes encoded, std::size_t full_size) {
  std::string out;
  JsonText json(out);
  json.begin_object();
  write_transport_parameters(json, encoded, full_size);
  json.end_object();
  return out;
}

std::string json_of(std::string_view hex) {
  const auto encoded = from_hex(hex).value();
  return json_of(encoded, encoded.size());
}

TEST(TransportParameters, KnownOnesByName) {
  EXPECT_EQ(
      json_of("0104800075300404801000000902406420048000ffff0c00"
              "0f04aabbccdd"),
      R"({"max_idle_timeout":30000,"initial_max_data":1048576,"initial_max_streams_uni":100,)"
      R"("max_datagram_frame_size":65535,"disable_active_migration":true,"initial_source_connection_id":"aabbccdd"})");
}

TEST(TransportParameters, PreferredAddressAndVersions) {
  EXPECT_EQ(json_of("0d2b"  // 4+2+16+2+1+2+16 = 43
                    "c0000201"
                    "01bb"
                    "20010db8000000000000000000000001"
                    "1f90"
                    "02abcd"
                    "000102030405060708090a0b0c0d0e0f"),
            R"({"preferred_address":{"ip_v4":"192.0.2.1","port_v4":443,"ip_v6":"2001:db8::1","port_v6":8080,)"
            R"("connection_id":"abcd","stateless_reset_token":"0000000000000000"}})");
  EXPECT_EQ(json_of("1108000000016b3343cf"), R"({"version_information":["00000001","6b3343cf"]})");
}

/// Whoever knows it can end the connection (RFC 9000 §10.3).
TEST(TransportParameters, AStatelessResetTokenIsNotTold) {
  EXPECT_EQ(json_of("0210000102030405060708090a0b0c0d0e0f"),
            R"({"stateless_reset_token":"0000000000000000"})");
}

TEST(TransportParameters, UnknownOnesKeepTheirBytes) {
  EXPECT_EQ(json_of("0b0119"
                    "40ff02beef"),
            R"({"max_ack_delay":25,"unknown_parameters":[{"id":255,"value":"beef"}]})");
}

TEST(TransportParameters, MalformedEndIsSaid) {
  EXPECT_EQ(json_of("0b0119"
                    "0104ff"),
            R"({"max_ack_delay":25,"truncated":true,"encoded_length":6})");
  EXPECT_EQ(json_of("0100"), "{}");  // an integer without bytes
}

// docs/threat-model.md, "oversized transport parameters": ngtcp2's own qlog writer overflows on these
// (CVE-2026-40170).
TEST(TransportParameters, HugeOnesAreTruncated) {
  std::vector<std::uint8_t> encoded;
  const auto put = [&](std::uint64_t value) {
    std::array<std::uint8_t, 8> buffer;
    encoded.insert(encoded.end(), buffer.begin(),
                   buffer.begin() + static_cast<std::ptrdiff_t>(put_varint(buffer, value)));
  };
  for (std::uint64_t id = 1000; id < 2000; ++id) {
    put(id);
    put(500);
    encoded.resize(encoded.size() + 500, 0xab);
  }
  const std::string out = json_of(encoded, encoded.size());
  EXPECT_LT(out.size(), 8000u);
  EXPECT_NE(out.find(R"("truncated":true,"encoded_length":504000)"), std::string::npos) << out;

  encoded.clear();
  for (std::uint64_t id = 1000; id < 1200; ++id) put(id), put(0);
  const std::string many = json_of(encoded, encoded.size());
  EXPECT_NE(many.find(R"("truncated":true)"), std::string::npos);
}

TEST(TransportParameters, OneNameStandsOnce) {
  EXPECT_EQ(json_of("0b01190b011a"), R"({"max_ack_delay":25})");
}

TEST(TransportParameters, AckDelayExponent) {
  EXPECT_EQ(ack_delay_exponent_of({}), 3);
  EXPECT_EQ(ack_delay_exponent_of(from_hex("0b01190a010a").value()), 10);
  EXPECT_EQ(ack_delay_exponent_of(from_hex("0a013f").value()), 3);  // more than 20 is a protocol violation
}

}  // namespace
}  // namespace sallyport::trace
