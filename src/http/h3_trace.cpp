// What a recorder is told: frames, settings, capsules. Texts are made only when there is one.
#include "base/varint.h"
#include "http/h3_connection_impl.h"
#include "http/h3_frames.h"

#include <fmt/format.h>

namespace sallyport::http {

namespace {

trace::HttpFrameKind kind_of(std::uint64_t type) {
  switch (static_cast<H3Frame>(type)) {
    case H3Frame::data:
      return trace::HttpFrameKind::data;
    case H3Frame::headers:
      return trace::HttpFrameKind::headers;
    case H3Frame::settings:
      return trace::HttpFrameKind::settings;
    case H3Frame::cancel_push:
      return trace::HttpFrameKind::cancel_push;
    case H3Frame::goaway:
      return trace::HttpFrameKind::goaway;
    case H3Frame::max_push_id:
      return trace::HttpFrameKind::max_push_id;
    case H3Frame::priority_update:
    case H3Frame::priority_update_push:
      return trace::HttpFrameKind::priority_update;
    default:
      break;
  }
  // RFC 9114 §7.2.8: reserved to keep the unknown alive.
  return type >= 0x21 && (type - 0x21) % 0x1f == 0 ? trace::HttpFrameKind::reserved
                                                   : trace::HttpFrameKind::unknown;
}

std::string lines_of(const Fields& fields) {
  std::string text;
  for (const Fields::Field field : fields) text += fmt::format("{}: {}\n", field.name, field.value);
  return text;
}

}  // namespace

void H3ConnectionImpl::trace_frame(trace::Direction direction, quic::StreamId id, std::uint64_t type,
                                   std::uint64_t length, std::uint64_t value, std::string_view text) const {
  if (recorder() == nullptr) return;
  const trace::HttpFrameKind kind = kind_of(type);
  const bool nameless = kind == trace::HttpFrameKind::reserved || kind == trace::HttpFrameKind::unknown;
  recorder()->http_frame(
      timers().now(), direction,
      {.kind = kind, .stream_id = id, .length = length, .fields = text, .id = nameless ? type : value});
}

void H3ConnectionImpl::trace_request(trace::Direction direction, quic::StreamId id, std::uint64_t length,
                                     const Request& request) const {
  std::string text = fmt::format(":method: {}\n:authority: {}\n", request.method, request.authority);
  if (!request.is_connect() || !request.protocol.empty())
    text += fmt::format(":scheme: {}\n:path: {}\n", request.scheme, request.path);
  if (!request.protocol.empty()) text += fmt::format(":protocol: {}\n", request.protocol);
  text += lines_of(request.fields);
  recorder()->http_frame(
      timers().now(), direction,
      {.kind = trace::HttpFrameKind::headers, .stream_id = id, .length = length, .fields = text});
}

void H3ConnectionImpl::trace_response(trace::Direction direction, quic::StreamId id, std::uint64_t length,
                                      const Response& response) const {
  const std::string text = fmt::format(":status: {}\n", response.status) + lines_of(response.fields);
  recorder()->http_frame(
      timers().now(), direction,
      {.kind = trace::HttpFrameKind::headers, .stream_id = id, .length = length, .fields = text});
}

void H3ConnectionImpl::trace_fields(trace::Direction direction, quic::StreamId id, std::uint64_t length,
                                    const Fields& fields) const {
  const std::string text = lines_of(fields);
  recorder()->http_frame(
      timers().now(), direction,
      {.kind = trace::HttpFrameKind::headers, .stream_id = id, .length = length, .fields = text});
}

void H3ConnectionImpl::trace_settings(trace::Direction direction, quic::StreamId id, Bytes payload) const {
  std::string text;
  const std::size_t length = payload.size();
  while (!payload.empty()) {
    const auto setting = take_varint(payload);
    const auto value = setting ? take_varint(payload) : std::nullopt;
    if (!value) break;
    text += fmt::format("{}={}\n", *setting, *value);
  }
  recorder()->http_frame(
      timers().now(), direction,
      {.kind = trace::HttpFrameKind::settings, .stream_id = id, .length = length, .fields = text});
}

void H3ConnectionImpl::trace_stream_type(trace::Direction owner, quic::StreamId id,
                                         std::uint64_t type) const {
  if (recorder() != nullptr) recorder()->http_stream_type(timers().now(), owner, id, type);
}

void H3ConnectionImpl::trace_capsule(trace::Direction direction, const trace::Capsule& capsule) const {
  if (recorder() != nullptr) recorder()->capsule(timers().now(), direction, capsule);
}

}  // namespace sallyport::http
