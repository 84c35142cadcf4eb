#include "inspect/qlog_normalizer.h"

#include "inspect/qlog_time.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <boost/json.hpp>
#include <fmt/core.h>

namespace sallyport::inspect {
namespace {

namespace json = boost::json;

// Limits of plausible times, in the file's unit; beyond them sums would lose precision.
constexpr double latest_time = 1e17, longest_rtt = 1e12;
constexpr std::uint64_t most_lost_at_once = 1'000'000'000;

/// A member that is there, or null.
const json::value* find(const json::object& object, std::string_view name) {
  return object.if_contains({name.data(), name.size()});
}

const json::object* find_object(const json::object& object, std::string_view name) {
  const json::value* value = find(object, name);
  return value ? value->if_object() : nullptr;
}

std::string_view text_of(const json::value* value) {
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(text->data(), text->size()) : std::string_view{};
}

std::string_view text_in(const json::object& object, std::string_view name) {
  return text_of(find(object, name));
}

/// Numbers stand as such or, since JSON's reach only to 2^53 everywhere, as strings.
std::optional<double> real_of(const json::value* value) {
  if (!value) return std::nullopt;
  double number = 0;
  if (const double* real = value->if_double()) {
    number = *real;
  } else if (const std::int64_t* whole = value->if_int64()) {
    number = static_cast<double>(*whole);
  } else if (const std::uint64_t* big = value->if_uint64()) {
    number = static_cast<double>(*big);
  } else {
    const std::string_view text = text_of(value);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  }
  if (!std::isfinite(number)) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> whole_of(const json::value* value) {
  if (!value) return std::nullopt;
  constexpr double most = 4e18;  // beyond any length or number of QUIC's, and safe to add to
  if (const std::int64_t* whole = value->if_int64(); whole && *whole >= 0)
    return static_cast<std::uint64_t>(*whole);
  const auto real = real_of(value);
  if (!real || *real < 0 || *real > most) return std::nullopt;
  return static_cast<std::uint64_t>(*real);
}

std::optional<std::uint64_t> whole_in(const json::object& object, std::string_view name) {
  return whole_of(find(object, name));
}

std::string name_of_value(const json::value& value) {
  const std::string_view text = text_of(&value);
  return text.empty() ? std::string(json::serialize(value)) : std::string(text);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

/// Bytes of data in a STREAM or DATAGRAM frame: "length" in older drafts, in "raw" now.
std::uint64_t data_length(const json::object& frame) {
  const json::object* raw = find_object(frame, "raw");
  if (raw)
    if (const auto length = whole_in(*raw, "payload_length")) return *length;
  if (const auto length = whole_in(frame, "length")) return *length;
  return raw ? whole_in(*raw, "length").value_or(0) : 0;
}

/// The error of a connection_closed event or a CONNECTION_CLOSE frame, by the names of all drafts. A code
/// without a name is beside "unknown".
std::string error_of(const json::object& object) {
  std::string found;
  for (const std::string_view name : {"connection_error", "application_error", "error", "connection_code",
                                      "application_code", "error_code", "raw_error_code"}) {
    const json::value* value = find(object, name);
    if (!value) continue;
    const std::string_view text = text_of(value);
    if (!text.empty() && text != "unknown") return std::string(text);
    if (const auto number = whole_of(value)) return fmt::format("{:#x}", *number);
    if (found.empty()) found = text;
  }
  return found;
}

QlogClose close_of(const json::object& object) {
  QlogClose close;
  close.error = error_of(object);
  close.reason = text_in(object, "reason");
  close.trigger = text_in(object, "trigger");
  std::string_view by = text_in(object, "initiator");
  if (by.empty()) by = text_in(object, "owner");  // until draft-12
  close.by_peer = by == "remote";
  return close;
}

void read_frames(const json::object& data, QlogEvent& event) {
  const json::value* frames = find(data, "frames");
  const json::array* list = frames ? frames->if_array() : nullptr;
  if (!list) return;
  for (const json::value& each : *list) {
    const json::object* frame = each.if_object();
    if (!frame) continue;
    const std::string type = lower(text_in(*frame, "frame_type"));  // in capitals until draft-00
    if (type == "stream") {
      auto id = whole_in(*frame, "stream_id");
      if (!id) id = whole_in(*frame, "id");  // until draft-01, and picoquic still
      if (id) event.streams.push_back({*id, whole_in(*frame, "offset").value_or(0), data_length(*frame)});
    } else if (type == "datagram") {
      ++event.datagrams;
      event.datagram_bytes += data_length(*frame);
    } else if (type == "connection_close") {
      event.close = close_of(*frame);
    }
  }
}

void read_packet(const json::object& data, QlogEvent& event) {
  const json::object* header = find_object(data, "header");
  const json::object* raw = find_object(data, "raw");
  event.packet_type = lower(text_in(header ? *header : data, "packet_type"));
  if (event.packet_type.empty()) event.packet_type = lower(text_in(data, "packet_type"));
  auto length = raw ? whole_in(*raw, "length") : std::nullopt;
  if (!length && header) length = whole_in(*header, "packet_size");
  if (!length) length = whole_in(data, "packet_size");
  event.length = length.value_or(0);
  const json::value* probe = find(data, "is_mtu_probe_packet");
  event.mtu_probe = probe && probe->is_bool() && probe->get_bool();
  read_frames(data, event);
}

void read_metrics(const json::object& data, double unit, QlogEvent& event) {
  const auto rtt = [&](std::string_view name) -> std::optional<double> {
    const auto value = real_of(find(data, name));
    // 0 is what writers put before the first sample.
    if (!value || *value <= 0 || *value > longest_rtt) return std::nullopt;
    return *value * unit;
  };
  event.latest_rtt = rtt("latest_rtt");
  event.min_rtt = rtt("min_rtt");
  event.smoothed_rtt = rtt("smoothed_rtt");
  event.congestion_window = whole_in(data, "congestion_window");
  for (const std::string_view older : {"cwnd", "current_cwnd"})
    if (!event.congestion_window) event.congestion_window = whole_in(data, older);
}

void read_http_frame(const json::object& data, QlogEvent& event) {
  const json::object* frame = find_object(data, "frame");
  const std::string type = frame ? lower(text_in(*frame, "frame_type")) : std::string();
  auto id = whole_in(data, "stream_id");
  if (!id && frame) id = whole_in(*frame, "stream_id");
  event.stream_id = id.value_or(0);
  event.is_headers = id && type == "headers";
  event.is_data = id && type == "data";
}

/// `name` is the event's type, without category or namespace.
QlogEvent::Kind kind_of(std::string_view name) {
  using enum QlogEvent::Kind;
  if (name == "packet_sent") return packet_sent;
  if (name == "packet_received") return packet_received;
  if (name == "packet_lost" || name == "packets_lost") return packet_lost;
  if (name == "metrics_updated" || name == "recovery_metrics_updated" || name == "metric_update" ||
      name == "congestion_metric_update")  // mvfst's
    return metrics;
  if (name == "frame_created") return http_frame_sent;
  if (name == "frame_parsed") return http_frame_received;
  if (name == "connection_state_updated") return state;
  if (name == "connection_closed") return closed;
  if (name == "warning") return gap;
  return other;
}

void clear(QlogEvent& event) {
  event.kind = QlogEvent::Kind::other;
  event.group.clear();
  event.streams.clear();
  event.close.reset();
  event.datagrams = event.datagram_bytes = 0;
  event.packets = 1;
}

/// What event times are relative to: a number in the trace's unit, a text, or since draft-10 an object.
double reference_time_in(const json::object& common, double unit) {
  const json::value* value = find(common, "reference_time");
  if (const json::object* object = value ? value->if_object() : nullptr) {
    for (const std::string_view name : {"wall_clock_time", "epoch"})
      if (const auto time = parse_rfc3339(text_in(*object, name))) return *time;
    return 0;
  }
  if (const auto number = real_of(value)) return *number * unit;
  return parse_rfc3339(text_of(value)).value_or(0);
}

}  // namespace

QlogNormalizer::QlogNormalizer(const json::object& header, std::string_view file_title) {
  trace_.title = text_in(header, "title");
  if (trace_.title.empty()) trace_.title = file_title;
  if (const json::object* vantage = find_object(header, "vantage_point")) {
    trace_.writer = text_in(*vantage, "name");
    std::string type = lower(text_in(*vantage, "type"));
    if (type == "network") type = lower(text_in(*vantage, "flow"));
    if (type == "client" || type == "server") trace_.vantage = type;
  } else if (const std::string type = lower(text_in(header, "vantage_point"));
             type == "client" || type == "server") {
    trace_.vantage = type;
  }
  const json::object* configuration = find_object(header, "configuration");
  if (configuration && lower(text_in(*configuration, "time_units")) == "us") unit_ = 0.001;
  if (const json::object* common = find_object(header, "common_fields")) {
    delta_ = text_in(*common, "time_format") == "delta" ||
             text_in(*common, "time_format") == "relative_to_previous_event";
    common_name_ = text_in(*common, "name");
    trace_.reference_time = reference_time_in(*common, unit_);
    for (const std::string_view name : {"ODCID", "odcid", "original_connection_id", "group_id"})
      if (const json::value* id = find(*common, name); id && trace_.connection_id.empty())
        trace_.connection_id = name_of_value(*id);
  }
  const json::value* fields = find(header, "event_fields");
  if (const json::array* list = fields ? fields->if_array() : nullptr)
    for (const json::value& field : *list) event_fields_.push_back(lower(text_of(&field)));
}

const char* QlogNormalizer::read_fields(const json::value& record, const json::value*& time,
                                        std::string& name, const json::object*& data,
                                        const json::value*& group) const {
  if (const json::object* object = record.if_object()) {
    time = find(*object, "time");
    group = find(*object, "group_id");
    data = find_object(*object, "data");
    name = text_in(*object, "name");
    if (name.empty()) name = text_in(*object, "type");
    if (name.empty()) name = text_in(*object, "event");
    if (name.empty()) name = common_name_;
    return nullptr;
  }
  const json::array* columns = record.if_array();
  if (!columns) return "an event is neither an object nor an array";
  if (event_fields_.empty() && !columns->empty())
    return "events are arrays but the trace has no event_fields";
  for (std::size_t i = 0; i < std::min(columns->size(), event_fields_.size()); ++i) {
    const std::string& field = event_fields_[i];
    const json::value& value = (*columns)[i];
    if (field == "time" || field == "relative_time" || field == "delta_time")
      time = &value;
    else if (field == "event" || field == "event_type" || field == "name" || field == "type")
      name = text_of(&value);
    else if (field == "data")
      data = value.if_object();
    else if (field == "group_id")
      group = &value;
  }
  return nullptr;
}

double QlogNormalizer::scaled(double time, bool is_delta) {
  time *= unit_;
  if (is_delta) time += previous_;
  previous_ = time;
  return time;
}

const char* QlogNormalizer::read(const json::value& record, QlogEvent& event) {
  clear(event);
  const json::value* time_value = nullptr;
  const json::value* group = nullptr;
  const json::object* data = nullptr;
  std::string name;
  if (const char* wrong = read_fields(record, time_value, name, data, group)) return wrong;
  if (!time_value && name.empty())
    return nullptr;  // an empty last element, which some writers put after a comma
  const auto time = real_of(time_value);
  if (!time) return time_value ? "an event's time is not a number" : "an event has no time";
  if (std::abs(*time) > latest_time) return "an event's time is out of range";
  bool is_delta = delta_ || std::ranges::find(event_fields_, "delta_time") != event_fields_.end();
  if (const json::object* object = record.if_object())
    if (const std::string_view format = text_in(*object, "time_format"); !format.empty())
      is_delta = format == "delta" || format == "relative_to_previous_event";
  event.time = scaled(*time, is_delta);
  if (group) event.group = name_of_value(*group);
  if (!data) return nullptr;

  using enum QlogEvent::Kind;
  event.kind = kind_of(lower(std::string_view(name).substr(name.rfind(':') + 1)));
  switch (event.kind) {
    case packet_lost:
      // mvfst's packets_lost
      event.packets = std::min(whole_in(*data, "lost_packets").value_or(1), most_lost_at_once);
      [[fallthrough]];
    case packet_sent:
    case packet_received:
      read_packet(*data, event);
      break;
    case metrics:
      read_metrics(*data, unit_, event);
      break;
    case http_frame_sent:
    case http_frame_received:
      read_http_frame(*data, event);
      break;
    case state:
      event.state = lower(text_in(*data, "new"));
      break;
    case closed:
      event.close = close_of(*data);
      break;
    case gap:
      event.missing = whole_in(*data, "events_dropped").value_or(0);
      if (event.missing == 0) event.kind = other;
      break;
    case other:
      break;
  }
  return nullptr;
}

}  // namespace sallyport::inspect
