#include "trace/qlog_serializer.h"

#include "base/varint.h"
#include "trace/qlog_frames.h"
#include "trace/quic_frames.h"

#include <algorithm>
#include <limits>

#include <fmt/chrono.h>
#include <fmt/core.h>

namespace sallyport::trace {
namespace {

constexpr std::string_view transport = "transport", recovery = "recovery";

bool has_number(PacketType type) {
  return type == PacketType::initial || type == PacketType::zero_rtt || type == PacketType::handshake ||
         type == PacketType::one_rtt;
}

bool is_long(Bytes header) {
  return !header.empty() && (header[0] & 0x80);
}

struct LongHeader {
  Bytes destination, source;
  std::optional<std::uint64_t> token_length;
};

/// RFC 8999 §5.1, and the token of an Initial (RFC 9000 §17.2.2). Fields that do not fit stay empty.
LongHeader parse_long_header(Bytes header, PacketType type) {
  LongHeader result;
  Bytes in = header.subspan(std::min<std::size_t>(header.size(), 5));
  for (Bytes* id : {&result.destination, &result.source}) {
    if (in.empty() || in.size() - 1 < in[0]) return result;
    *id = in.subspan(1, in[0]);
    in = in.subspan(1 + id->size());
  }
  if (type == PacketType::initial) result.token_length = take_varint(in);
  return result;
}

void write_version(JsonText& json, std::string_view name, std::uint32_t version) {
  json.text(name, fmt::format("{:08x}", version));
}

/// The list of a Version Negotiation packet (RFC 9000 §17.2.1), of bounded length.
void write_versions(JsonText& json, Bytes list) {
  constexpr std::size_t most = 64;
  if (list.size() < 4) return;
  json.array("supported_versions");
  for (std::size_t i = 0; i < most && list.size() >= 4; ++i, list = list.subspan(4)) json.hex(list.first(4));
  json.end_array();
}

std::string_view trigger_of(DropCause cause) {
  return cause == DropCause::decryption_failure ? "decryption_failure" : "rejected";
}

}  // namespace

void QlogSerializer::append_header(const QlogIdentity& identity, std::string& out) {
  out.push_back('\x1e');
  JsonText json(out);
  json.begin_object();
  json.text("file_schema", "urn:ietf:params:qlog:file:sequential");
  json.text("serialization_format", "application/qlog+json-seq");
  json.text("qlog_version", "0.3");
  json.text("qlog_format", "JSON-SEQ");
  json.text("title", identity.title);
  json.object("trace");
  json.text("title", identity.title);
  json.object("vantage_point");
  json.text("name", "sallyport " SALLYPORT_VERSION);
  json.text("type", identity.vantage == Vantage::client ? "client" : "server");
  json.end_object();
  json.array("event_schemas");
  for (const std::string_view schema : {"quic-14", "http3-14", "http-14", "loglevel-14"})
    json.text(fmt::format("urn:ietf:params:qlog:events:{}", schema));
  json.text(extension_schema);
  json.end_array();
  json.object("common_fields");
  json.hex("group_id", identity.original_destination_id);
  json.hex("ODCID", identity.original_destination_id);
  json.array("protocol_type");
  json.text("QUIC");
  json.text("HTTP3");
  json.end_array();
  json.text("time_format", "relative_to_epoch");
  json.object("reference_time");
  json.text("clock_type", "monotonic");
  json.text("epoch", "unknown");
  const auto wall_clock = std::chrono::floor<std::chrono::milliseconds>(identity.wall_clock);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wall_clock);
  json.text("wall_clock_time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                                           fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                                           (wall_clock - seconds).count()));
  json.end_object();
  json.end_object();
  json.end_object();
  json.end_object();
  out.push_back('\n');
}

void QlogSerializer::append(Bytes bytes, std::string& out) {
  const auto head = load_record<RecordHead>(bytes);
  switch (head.kind) {
    case EventKind::packet:
      packet(bytes, out);
      break;
    case EventKind::datagrams: {
      const auto record = load_record<DatagramsRecord>(bytes);
      const bool sent = head.direction == Direction::sent;
      event(out, head.time, sent ? "quic:udp_datagrams_sent" : "quic:udp_datagrams_received", transport,
            [&](JsonText& json) {
              json.number("count", record.count);
              if (record.count == 1) {
                json.array("raw");
                json.begin_object();
                json.number("length", record.bytes);
                json.end_object();
                json.end_array();
              }
              json.number("byte_length", record.bytes);
            });
      break;
    }
    case EventKind::packet_lost: {
      const auto record = load_record<PacketLostRecord>(bytes);
      if (const auto packet = losses_.on_reported(record.type, record.number))
        lost(head.time, *packet, {}, out);
      break;
    }
    case EventKind::packet_dropped:
      dropped(bytes, out);
      break;
    case EventKind::metrics:
      metrics(load_record<MetricsRecord>(bytes), out);
      break;
    case EventKind::path:
      path(load_record<PathRecord>(bytes), out);
      break;
    case EventKind::transport_parameters:
      parameters(bytes, out);
      break;
    case EventKind::key_updated:
      key_updated(load_record<KeyUpdatedRecord>(bytes), out);
      break;
    case EventKind::alpn:
    case EventKind::state:
    case EventKind::note:
      text(bytes, out);
      break;
    case EventKind::closed:
      closed(bytes, out);
      break;
    case EventKind::http_frame:
      http_frame(bytes, out);
      break;
    case EventKind::http_stream_type:
      http_stream_type(load_record<HttpStreamTypeRecord>(bytes), out);
      break;
    case EventKind::capsule:
      capsule(load_record<CapsuleRecord>(bytes), out);
      break;
    case EventKind::gap:
      losses_.on_gap();
      append_gap(head.time, load_record<GapRecord>(bytes).dropped, out);
      break;
  }
}

void QlogSerializer::append_gap(Time now, std::uint64_t count, std::string& out) const {
  event(out, now, "loglevel:warning", "warning", [&](JsonText& json) {
    json.text("message",
              fmt::format("{} events were dropped here: the disk or the writer was too slow", count));
    json.number("events_dropped", count);
  });
}

void QlogSerializer::packet(Bytes bytes, std::string& out) {
  const auto record = load_record<PacketRecord>(bytes);
  const Bytes header = first_string(bytes, record), skeleton = second_string(bytes, record);
  const Time now = record.head.time;
  if (record.version != 0 && record.version != version_) {
    version_ = record.version;
    event(out, now, "quic:version_information", transport,
          [&](JsonText& json) { write_version(json, "chosen_version", version_); });
  }
  const bool sent = record.head.direction == Direction::sent;
  event(out, now, sent ? "quic:packet_sent" : "quic:packet_received", transport, [&](JsonText& json) {
    json.object("header");
    packet_header(json, record, header);
    json.end_object();
    if (record.size != 0) {
      json.object("raw");
      json.number("length", record.size);
      // With the tag, as in qvis and quic-go: length - payload_length is the header's length.
      if (record.size >= header.size()) json.number("payload_length", record.size - header.size());
      json.end_object();
    }
    if (record.type == PacketType::version_negotiation) write_versions(json, skeleton);
    if (record.mtu_probe) json.boolean("is_mtu_probe_packet", true);
    if (has_number(record.type)) packet_frames(json, record, skeleton);
  });
  track(record, skeleton, out);
}

void QlogSerializer::packet_header(JsonText& json, const PacketRecord& record, Bytes header) {
  json.text("packet_type", packet_type_name(record.type));
  if (has_number(record.type)) json.number("packet_number", record.number);
  if (is_long(header)) {
    const LongHeader parsed = parse_long_header(header, record.type);
    write_version(json, "version", record.version);
    json.number("scil", parsed.source.size());
    json.number("dcil", parsed.destination.size());
    json.hex("scid", parsed.source);
    json.hex("dcid", parsed.destination);
    if (parsed.token_length.value_or(0) > 0) {
      json.object("token");
      json.object("raw");
      json.number("length", *parsed.token_length);
      json.end_object();
      json.end_object();
    }
  } else if (record.type == PacketType::one_rtt && !header.empty()) {
    if (record.key_phase) json.boolean("key_phase_bit", true);
    const std::size_t number_length = (header[0] & 0x03u) + 1u;
    if (header.size() <= number_length) return;
    // Nearly every packet has the same ID: it is written when it changes.
    const Bytes id = header.subspan(1, header.size() - 1 - number_length);
    auto& known = destination_ids_[static_cast<std::size_t>(record.head.direction)];
    if (std::ranges::equal(id, known)) return;
    known.assign(id.begin(), id.end());
    json.hex("dcid", id);
  }
}

void QlogSerializer::packet_frames(JsonText& json, const PacketRecord& record, Bytes skeleton) {
  // Initial and Handshake packets carry ACKs before the exponents are known, so they always use the default
  // (§18.2).
  const bool early = record.type == PacketType::initial || record.type == PacketType::handshake;
  const std::uint8_t exponent =
      early ? 3 : ack_delay_exponents_[static_cast<std::size_t>(record.head.direction)];
  json.array("frames");
  FrameReader reader(skeleton, record.payload_size);
  while (const auto frame = reader.next()) write_frame(json, *frame, exponent);
  json.end_array();
  if (reader.malformed()) json.number("malformed_payload_bytes", reader.left());
}

void QlogSerializer::track(const PacketRecord& record, Bytes skeleton, std::string& out) {
  if (!has_number(record.type)) return;
  const Time now = record.head.time;
  const auto found = [&](const LossInference::Lost& packet) {
    lost(now, packet, packet.by_time ? "time_threshold" : "reordering_threshold", out);
  };
  FrameReader reader(skeleton, record.payload_size);
  bool eliciting = false, acked = false, confirmed = false;
  while (const auto frame = reader.next()) {
    eliciting |= is_ack_eliciting(frame->kind);
    confirmed |= frame->kind == FrameKind::handshake_done;
    if (record.head.direction == Direction::received && frame->kind == FrameKind::ack) {
      acked = true;
      for_each_acked(
          *frame, [&](std::uint64_t low, std::uint64_t high) { losses_.on_acked(record.type, low, high); });
    }
  }
  if (record.head.direction == Direction::sent)
    losses_.on_sent(now, record.type, record.number, eliciting, record.mtu_probe);
  if (acked) losses_.on_ack_end(now, record.type, found);
  if (record.type == PacketType::handshake || confirmed) losses_.forget(PacketType::initial);
  if (confirmed) losses_.forget(PacketType::handshake);
  losses_.advance(now, found);
}

void QlogSerializer::lost(Time now, const LossInference::Lost& packet, std::string_view trigger,
                          std::string& out) const {
  event(out, now, "quic:packet_lost", recovery, [&](JsonText& json) {
    json.object("header");
    json.text("packet_type", packet_type_name(packet.type));
    json.number("packet_number", packet.number);
    json.end_object();
    if (packet.probe) json.boolean("is_mtu_probe_packet", true);
    if (!trigger.empty()) json.text("trigger", trigger);
  });
}

void QlogSerializer::metrics(const MetricsRecord& record, std::string& out) {
  const Metrics& now = record.metrics;
  const Metrics before = metrics_.value_or(Metrics{});
  constexpr std::uint64_t unset = std::numeric_limits<std::uint64_t>::max();
  const bool ssthresh = now.ssthresh != before.ssthresh && now.ssthresh != unset;
  if (now.min_rtt == before.min_rtt && now.smoothed_rtt == before.smoothed_rtt &&
      now.latest_rtt == before.latest_rtt && now.rtt_variance == before.rtt_variance &&
      now.congestion_window == before.congestion_window && now.bytes_in_flight == before.bytes_in_flight &&
      !ssthresh)
    return;
  event(out, record.head.time, "recovery:metrics_updated", recovery, [&](JsonText& json) {
    if (now.min_rtt != before.min_rtt) json.milliseconds("min_rtt", now.min_rtt);
    if (now.smoothed_rtt != before.smoothed_rtt) json.milliseconds("smoothed_rtt", now.smoothed_rtt);
    if (now.latest_rtt != before.latest_rtt) json.milliseconds("latest_rtt", now.latest_rtt);
    if (now.rtt_variance != before.rtt_variance) json.milliseconds("rtt_variance", now.rtt_variance);
    if (now.congestion_window != before.congestion_window)
      json.number("congestion_window", now.congestion_window);
    if (now.bytes_in_flight != before.bytes_in_flight) json.number("bytes_in_flight", now.bytes_in_flight);
    if (ssthresh) json.number("ssthresh", now.ssthresh);
  });
  metrics_ = now;
  congestion_state(record, out);
}

void QlogSerializer::congestion_state(const MetricsRecord& record, std::string& out) {
  // Derived from the metrics: with a slow start threshold (Reno, CUBIC), below it is slow start. BBR sets
  // none.
  const Metrics& now = record.metrics;
  const bool has_threshold = now.ssthresh != 0 && now.ssthresh != std::numeric_limits<std::uint64_t>::max();
  if (!has_threshold && !slow_start_.value_or(false)) return;
  const bool slow_start = !has_threshold || now.congestion_window < now.ssthresh;
  if (slow_start_ == slow_start) return;
  event(out, record.head.time, "quic:congestion_state_updated", recovery, [&](JsonText& json) {
    if (slow_start_) json.text("old", *slow_start_ ? "slow_start" : "congestion_avoidance");
    json.text("new", slow_start ? "slow_start" : "congestion_avoidance");
  });
  slow_start_ = slow_start;
}

void QlogSerializer::text(Bytes bytes, std::string& out) {
  const auto record = load_record<TextRecord>(bytes);
  const Bytes first = first_string(bytes, record);
  const Time now = record.head.time;
  if (record.head.kind == EventKind::state) {
    state(now, as_text(first), out);
  } else if (record.head.kind == EventKind::alpn) {
    event(out, now, "quic:alpn_information", transport, [&](JsonText& json) {
      json.object("chosen_alpn");
      json.hex("byte_value", first);
      json.text("string_value", as_text(first));
      json.end_object();
    });
  } else {
    event(out, now, "loglevel:info", "info", [&](JsonText& json) { json.text("message", as_text(first)); });
  }
}

void QlogSerializer::dropped(Bytes bytes, std::string& out) const {
  const auto record = load_record<PacketDroppedRecord>(bytes);
  const std::string_view details = as_text(first_string(bytes, record));
  event(out, record.head.time, "quic:packet_dropped", transport, [&](JsonText& json) {
    json.object("header");
    json.text("packet_type", packet_type_name(record.type));
    json.end_object();
    json.object("raw");
    json.number("length", record.bytes);
    json.end_object();
    json.text("trigger", trigger_of(record.cause));
    if (details.empty()) return;
    json.object("details");
    json.text("reason", details);
    json.end_object();
  });
}

}  // namespace sallyport::trace
