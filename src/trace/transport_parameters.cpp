#include "trace/transport_parameters.h"

#include "base/varint.h"
#include "net/address.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace sallyport::trace {
namespace {

enum class Shape : std::uint8_t { integer, flag, bytes, secret, preferred_address, versions };

struct Known {
  std::uint64_t id;
  Shape shape;
  std::string_view name;
};

constexpr std::array known{
    Known{0x00, Shape::bytes, "original_destination_connection_id"},
    Known{0x01, Shape::integer, "max_idle_timeout"},
    Known{0x02, Shape::secret, "stateless_reset_token"},
    Known{0x03, Shape::integer, "max_udp_payload_size"},
    Known{0x04, Shape::integer, "initial_max_data"},
    Known{0x05, Shape::integer, "initial_max_stream_data_bidi_local"},
    Known{0x06, Shape::integer, "initial_max_stream_data_bidi_remote"},
    Known{0x07, Shape::integer, "initial_max_stream_data_uni"},
    Known{0x08, Shape::integer, "initial_max_streams_bidi"},
    Known{0x09, Shape::integer, "initial_max_streams_uni"},
    Known{0x0a, Shape::integer, "ack_delay_exponent"},
    Known{0x0b, Shape::integer, "max_ack_delay"},
    Known{0x0c, Shape::flag, "disable_active_migration"},
    Known{0x0d, Shape::preferred_address, "preferred_address"},
    Known{0x0e, Shape::integer, "active_connection_id_limit"},
    Known{0x0f, Shape::bytes, "initial_source_connection_id"},
    Known{0x10, Shape::bytes, "retry_source_connection_id"},
    Known{0x11, Shape::versions, "version_information"},     // RFC 9368
    Known{0x20, Shape::integer, "max_datagram_frame_size"},  // RFC 9221
    Known{0x2ab2, Shape::flag, "grease_quic_bit"},           // RFC 9287
};
constexpr std::size_t max_unknown = 16;      // greasing peers send a few
constexpr std::size_t max_value_bytes = 64;  // of one value

constexpr std::string_view hidden_reset_token = "0000000000000000";

struct Parameter {
  std::uint64_t id = 0;
  Bytes value;
};

std::optional<Parameter> take_parameter(Bytes& in) {
  Bytes rest = in;
  const auto id = take_varint(rest);
  const auto size = id ? take_varint(rest) : std::nullopt;
  if (!size || *size > rest.size()) return std::nullopt;
  in = rest.subspan(static_cast<std::size_t>(*size));
  return Parameter{*id, rest.first(static_cast<std::size_t>(*size))};
}

std::uint16_t port_of(Bytes two) {
  return static_cast<std::uint16_t>(two[0] << 8 | two[1]);
}

void write_preferred_address(JsonText& json, Bytes value) {
  constexpr std::size_t addresses = 4 + 2 + 16 + 2;
  if (value.size() < addresses + 1 || value.size() < addresses + 1 + value[addresses] + std::size_t{16})
    return;
  json.object("preferred_address");
  std::array<std::uint8_t, 4> v4;
  std::array<std::uint8_t, 16> v6;
  std::copy_n(value.begin(), v4.size(), v4.begin());
  std::copy_n(value.begin() + 6, v6.size(), v6.begin());
  json.text("ip_v4", net::IpAddress::v4(v4).to_string());
  json.number("port_v4", port_of(value.subspan(4)));
  json.text("ip_v6", net::IpAddress::v6(v6).to_string());
  json.number("port_v6", port_of(value.subspan(22)));
  json.hex("connection_id", value.subspan(addresses + 1, value[addresses]));
  // Hidden: the token can reset the connection. qlog requires the field.
  json.text("stateless_reset_token", hidden_reset_token);
  json.end_object();
}

void write_versions(JsonText& json, Bytes value) {
  json.array("version_information");
  for (std::size_t at = 0; at + 4 <= std::min(value.size(), max_value_bytes); at += 4)
    json.hex(value.subspan(at, 4));
  json.end_array();
}

void write_known(JsonText& json, const Known& parameter, Bytes value) {
  switch (parameter.shape) {
    case Shape::integer:
      if (const auto number = take_varint(value)) json.number(parameter.name, *number);
      break;
    case Shape::flag:
      json.boolean(parameter.name, true);
      break;
    case Shape::bytes:
      json.hex(parameter.name, value.first(std::min(value.size(), max_value_bytes)));
      break;
    case Shape::secret:
      json.text(parameter.name, hidden_reset_token);
      break;
    case Shape::preferred_address:
      write_preferred_address(json, value);
      break;
    case Shape::versions:
      write_versions(json, value);
      break;
  }
}

}  // namespace

void write_transport_parameters(JsonText& json, Bytes encoded, std::size_t full_size) {
  Bytes in = encoded.first(std::min(encoded.size(), max_logged_transport_parameters));
  std::array<Parameter, max_unknown> unknown;
  std::size_t unknown_count = 0, unknown_left_out = 0;
  std::uint32_t seen = 0;  // a bit for each of `known`: a name must occur only once in a JSON object
  while (const auto parameter = take_parameter(in)) {
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const Known& k) { return k.id == parameter->id; });
    if (found == known.end()) {
      if (unknown_count < max_unknown)
        unknown[unknown_count++] = *parameter;
      else
        ++unknown_left_out;
    } else if (const auto bit = std::uint32_t{1} << (found - known.begin()); !(seen & bit)) {
      seen |= bit;
      write_known(json, *found, parameter->value);
    }
  }
  if (unknown_count > 0) {
    json.array("unknown_parameters");
    for (const Parameter& parameter : std::span(unknown).first(unknown_count)) {
      json.begin_object();
      json.number("id", parameter.id);
      json.hex("value", parameter.value.first(std::min(parameter.value.size(), max_value_bytes)));
      json.end_object();
    }
    json.end_array();
  }
  if (!in.empty() || unknown_left_out > 0 || full_size > max_logged_transport_parameters) {
    json.boolean("truncated", true);
    json.number("encoded_length", full_size);
  }
}

std::uint8_t ack_delay_exponent_of(Bytes encoded) {
  while (const auto parameter = take_parameter(encoded)) {
    Bytes value = parameter->value;
    if (parameter->id != 0x0a) continue;
    const auto exponent = take_varint(value);
    return exponent && *exponent <= 20 ? static_cast<std::uint8_t>(*exponent) : 3;
  }
  return 3;
}

}  // namespace sallyport::trace
