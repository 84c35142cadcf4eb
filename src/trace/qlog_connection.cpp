// QlogSerializer's events of a connection as a whole (draft-ietf-quic-qlog-quic-events): its path,
// parameters, keys, state and end.
#include "base/escape.h"
#include "trace/qlog_frames.h"
#include "trace/qlog_serializer.h"
#include "trace/transport_parameters.h"

#include <fmt/core.h>

namespace sallyport::trace {
namespace {

constexpr std::string_view transport = "transport", connectivity = "connectivity", security = "security";

std::string_view initiator_of(Direction direction) {
  return direction == Direction::sent ? "local" : "remote";
}

/// qlog's trigger of connection_closed.
std::string_view trigger_of(const ClosedRecord& record) {
  switch (record.cause) {
    case Closing::Cause::idle_timeout:
      return "idle_timeout";
    case Closing::Cause::stateless_reset:
      return "stateless_reset";
    case Closing::Cause::version_mismatch:
      return "version_mismatch";
    case Closing::Cause::handshake_timeout:
    case Closing::Cause::path:
      return "aborted";
    case Closing::Cause::connection_close:
      break;
  }
  return record.application ? "application" : record.code != 0 ? "error" : "unspecified";
}

/// The addresses of one endpoint, in the fields of three drafts: the flat ones (0.3) are written by the
/// caller; ip_v4 (-13), address_v4 (-14).
void write_endpoint(JsonText& json, std::string_view name, const net::SocketAddress& address) {
  json.object(name);
  const net::IpAddress ip = address.ip().unmapped();
  if (!ip.is_unspecified() || address.port() != 0) {
    const std::string text = ip.to_string();
    json.text(ip.is_v4() ? "ip_v4" : "ip_v6", text);
    json.number(ip.is_v4() ? "port_v4" : "port_v6", address.port());
    json.object(ip.is_v4() ? "address_v4" : "address_v6");
    json.text("ip", text);
    json.number("port", address.port());
    json.end_object();
  }
  json.end_object();
}

}  // namespace

void QlogSerializer::path(const PathRecord& record, std::string& out) {
  const Time now = record.head.time;
  if (!path_) {
    event(out, now, "quic:connection_started", connectivity, [&](JsonText& json) {
      write_endpoint(json, "local", record.path.local);
      write_endpoint(json, "remote", record.path.remote);
      json.text("src_ip", record.path.local.ip().unmapped().to_string());
      json.number("src_port", record.path.local.port());
      json.text("dst_ip", record.path.remote.ip().unmapped().to_string());
      json.number("dst_port", record.path.remote.port());
    });
  } else if (*path_ != record.path) {
    event(out, now, "quic:tuple_assigned", connectivity, [&](JsonText& json) {
      json.text("tuple_id", fmt::format("{}", ++paths_));
      write_endpoint(json, "tuple_remote", record.path.remote);
      write_endpoint(json, "tuple_local", record.path.local);
    });
  }
  path_ = record.path;
  if (record.max_datagram_size == 0 || record.max_datagram_size == max_datagram_size_) return;
  event(out, now, "quic:mtu_updated", connectivity, [&](JsonText& json) {
    if (max_datagram_size_ != 0) json.number("old", max_datagram_size_);
    json.number("new", record.max_datagram_size);
  });
  max_datagram_size_ = record.max_datagram_size;
}

void QlogSerializer::parameters(Bytes bytes, std::string& out) {
  const auto record = load_record<TransportParametersRecord>(bytes);
  const Bytes encoded = first_string(bytes, record);
  ack_delay_exponents_[static_cast<std::size_t>(record.head.direction)] = ack_delay_exponent_of(encoded);
  event(out, record.head.time, "quic:parameters_set", transport, [&](JsonText& json) {
    json.text("initiator", initiator_of(record.head.direction));
    json.text("owner", initiator_of(record.head.direction));
    write_transport_parameters(json, encoded, static_cast<std::size_t>(record.full_size));
  });
}

void QlogSerializer::state(Time now, std::string_view name, std::string& out) {
  if (name == state_) return;
  event(out, now, "quic:connection_state_updated", connectivity, [&](JsonText& json) {
    if (!state_.empty()) json.text("old", state_);
    json.text("new", name);
  });
  state_ = name;
}

void QlogSerializer::closed(Bytes bytes, std::string& out) const {
  const auto record = load_record<ClosedRecord>(bytes);
  const std::string_view reason = as_text(first_string(bytes, record));
  event(out, record.head.time, "quic:connection_closed", connectivity, [&](JsonText& json) {
    json.text("initiator", record.by_peer ? "remote" : "local");
    json.text("owner", record.by_peer ? "remote" : "local");
    if (record.cause == Closing::Cause::connection_close)
      write_error(json, record.application ? "application_error" : "connection_error", record.application,
                  record.code);
    if (record.cause == Closing::Cause::handshake_timeout && reason.empty())
      json.text("reason", "handshake timeout");
    else if (is_utf8(reason))
      json.text("reason", reason);
    else
      json.hex("reason_bytes", as_bytes(reason));
    json.text("trigger", trigger_of(record));
  });
}

void QlogSerializer::key_updated(const KeyUpdatedRecord& record, std::string& out) const {
  for (const std::string_view type : {"client_1rtt_secret", "server_1rtt_secret"})
    event(out, record.head.time, "quic:key_updated", security, [&](JsonText& json) {
      json.text("key_type", type);
      json.number("key_phase", record.updates);
      json.text("trigger", record.by_peer ? "remote_update" : "local_update");
    });
}

}  // namespace sallyport::trace
