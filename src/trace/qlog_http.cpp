// QlogSerializer's events of HTTP/3 (draft-ietf-quic-qlog-h3-events): frames, stream types, capsules,
// datagrams.
#include "base/credential_fields.h"
#include "base/escape.h"
#include "trace/qlog_serializer.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

namespace sallyport::trace {
namespace {

constexpr std::string_view http = "http";

std::string_view frame_name(HttpFrameKind kind) {
  switch (kind) {
    case HttpFrameKind::headers:
      return "headers";
    case HttpFrameKind::data:
      return "data";
    case HttpFrameKind::settings:
      return "settings";
    case HttpFrameKind::cancel_push:
      return "cancel_push";
    case HttpFrameKind::goaway:
      return "goaway";
    case HttpFrameKind::priority_update:
      return "priority_update";
    case HttpFrameKind::max_push_id:
      return "max_push_id";
    case HttpFrameKind::reserved:
      return "reserved";
    case HttpFrameKind::unknown:
      break;
  }
  return "unknown";
}

/// Calls visit(line) for each line of `text`.
template <class Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void write_fields(JsonText& json, std::string_view fields) {
  json.array("headers");
  for_each_line(fields, [&](std::string_view line) {
    const std::size_t colon = line.find(": ", 1);  // a pseudo-header field's name begins with one
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = colon == line.npos ? std::string_view{} : line.substr(colon + 2);
    json.begin_object();
    json.text("name", name);
    // Credentials are hidden: a trace must not give its readers access.
    if (holds_credentials(name))
      json.text("value", "(hidden)");
    else if (is_utf8(value))
      json.text("value", value);
    else
      json.hex("value_bytes", as_bytes(value));
    json.end_object();
  });
  json.end_array();
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Reserved identifiers, for greasing (RFC 9114 §6.2.3, §7.2.4.1, §7.2.8).
bool is_grease(std::uint64_t id) {
  return id >= 0x21 && (id - 0x21) % 0x1f == 0;
}

std::string_view stream_type_name(std::uint64_t type) {
  constexpr std::string_view names[] = {"control", "push", "qpack_encode", "qpack_decode"};
  if (type < std::size(names)) return names[type];
  return is_grease(type) ? "reserved" : "unknown";
}

std::string_view setting_name(std::uint64_t id) {
  switch (id) {
    case 0x01:
      return "settings_qpack_max_table_capacity";
    case 0x06:
      return "settings_max_field_section_size";
    case 0x07:
      return "settings_qpack_blocked_streams";
    case 0x08:
      return "settings_enable_connect_protocol";
    case 0x33:
      return "settings_h3_datagram";
    default:
      return is_grease(id) ? "reserved" : "unknown";
  }
}

void write_settings(JsonText& json, std::string_view fields) {
  json.array("settings");
  for_each_line(fields, [&](std::string_view line) {
    const std::size_t equals = line.find('=');
    const auto id = parse_number(line.substr(0, equals));
    const auto value = equals == line.npos ? std::nullopt : parse_number(line.substr(equals + 1));
    if (!id || !value) return;
    const std::string_view name = setting_name(*id);
    json.begin_object();
    json.text("name", name);
    if (name == "unknown" || name == "reserved") json.number("name_bytes", *id);
    json.number("value", *value);
    json.end_object();
  });
  json.end_array();
}

}  // namespace

void QlogSerializer::http_frame(Bytes bytes, std::string& out) const {
  const auto record = load_record<HttpFrameRecord>(bytes);
  const std::string_view fields = as_text(first_string(bytes, record));
  const bool sent = record.head.direction == Direction::sent;
  event(out, record.head.time, sent ? "http3:frame_created" : "http3:frame_parsed", http,
        [&](JsonText& json) {
          json.key("stream_id");
          json.number(record.stream_id);
          json.number("length", record.length);
          json.number("byte_length", record.length);
          json.object("frame");
          json.text("frame_type", frame_name(record.kind));
          switch (record.kind) {
            case HttpFrameKind::headers:
              write_fields(json, fields);
              break;
            case HttpFrameKind::settings:
              write_settings(json, fields);
              break;
            case HttpFrameKind::goaway:
              json.number("id", record.id);
              break;
            case HttpFrameKind::cancel_push:
            case HttpFrameKind::max_push_id:
              json.number("push_id", record.id);
              break;
            case HttpFrameKind::priority_update:
              json.number("stream_id", record.id);
              json.text("priority_field_value", fields);
              break;
            case HttpFrameKind::reserved:
            case HttpFrameKind::unknown:
              json.number("frame_type_bytes", record.id);
              break;
            case HttpFrameKind::data:
              break;
          }
          json.object("raw");
          json.number("payload_length", record.length);
          json.end_object();
          json.end_object();
        });
}

void QlogSerializer::http_stream_type(const HttpStreamTypeRecord& record, std::string& out) const {
  const std::string_view who = record.head.direction == Direction::sent ? "local" : "remote";
  event(out, record.head.time, "http3:stream_type_set", http, [&](JsonText& json) {
    json.text("initiator", who);
    json.text("owner", who);
    json.key("stream_id");
    json.number(record.stream_id);
    const std::string_view name = stream_type_name(record.type);
    json.text("stream_type", name);
    if (name == "unknown" || name == "reserved") json.number("stream_type_bytes", record.type);
  });
}

void QlogSerializer::capsule(const CapsuleRecord& record, std::string& out) const {
  const bool sent = record.head.direction == Direction::sent;
  const Capsule& capsule = record.capsule;
  if (capsule.as_datagram_frame) {
    event(out, record.head.time, sent ? "http3:datagram_created" : "http3:datagram_parsed", http,
          [&](JsonText& json) {
            json.key("quarter_stream_id");
            json.number(capsule.stream_id / 4);
            json.object("raw");
            json.number("payload_length", capsule.length);
            json.end_object();
          });
    return;
  }
  event(out, record.head.time, sent ? "http:capsule_created" : "http:capsule_parsed", http,
        [&](JsonText& json) {
          json.key("stream_id");
          json.number(capsule.stream_id);
          json.object("capsule");
          json.text("capsule_type", capsule.type == 0 ? "datagram" : "unknown");
          if (capsule.type != 0) json.number("capsule_type_value", capsule.type);
          json.object("raw");
          json.number("payload_length", capsule.length);
          json.end_object();
          json.end_object();
        });
}

}  // namespace sallyport::trace
