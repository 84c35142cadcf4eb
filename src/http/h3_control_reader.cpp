#include "http/h3_control_reader.h"

#include "http/h3_error.h"
#include "http/priority.h"

#include <utility>

namespace sallyport::http {
namespace {

constexpr std::size_t max_settings = 4096;
constexpr std::size_t max_priority_update = 8 + max_priority_value;

/// The length limit of a frame that means something to us; nullopt for those that do not.
std::optional<std::size_t> payload_limit(std::uint64_t type) {
  switch (static_cast<H3Frame>(type)) {
    case H3Frame::settings:
      return max_settings;
    case H3Frame::goaway:
    case H3Frame::max_push_id:
    case H3Frame::cancel_push:
      return 8;
    case H3Frame::priority_update:
      return max_priority_update;
    default:
      return std::nullopt;
  }
}

/// A payload that is one integer and no more.
Result<std::uint64_t> parse_only(Bytes payload) {
  const auto value = take_varint(payload);
  if (!value || !payload.empty())
    return h3_failure(H3Code::frame_error, "wrong frame length on the control stream");
  return *value;
}

}  // namespace

Result<> H3ControlReader::read(Bytes data, Receiver& receiver) {
  while (!data.empty()) {
    if (!frame_.known()) {
      if (!frame_.take(data)) return {};
      payload_.clear();
      if (auto result = begin_frame(receiver); !result) return result;
    }
    const Bytes piece = frame_.take_payload(data);
    if (payload_limit(frame_.type())) payload_.insert(payload_.end(), piece.begin(), piece.end());
    if (frame_.left() > 0) return {};
    if (auto result = end_frame(receiver); !result) return result;
    frame_.next();
  }
  return {};
}

Result<> H3ControlReader::begin_frame(Receiver& receiver) {
  const std::uint64_t type = frame_.type();
  if (auto result = check_type(type); !result) return result;
  const auto frame = static_cast<H3Frame>(type);
  const auto limit = payload_limit(type);
  // Those with an ID are told of when it is known.
  if (!limit) receiver.saw_control_frame(type, frame_.left(), {});
  if (limit && frame_.left() > *limit) {
    if (frame == H3Frame::settings || frame == H3Frame::priority_update)
      return h3_failure(H3Code::excessive_load, "frame too long on the control stream");
    return h3_failure(H3Code::frame_error, "wrong frame length on the control stream");
  }
  // Of SETTINGS there is one, and it is needed.
  return frame == H3Frame::settings ? Result<>{} : receiver.on_control_frame();
}

Result<> H3ControlReader::check_type(std::uint64_t type) const {
  const auto unexpected = [] {
    return h3_failure(H3Code::frame_unexpected, "frame not allowed on the control stream");
  };
  const auto frame = static_cast<H3Frame>(type);
  if (frame == H3Frame::settings && settings_) return unexpected();
  if (frame != H3Frame::settings && !settings_)
    return h3_failure(H3Code::missing_settings, "the control stream does not begin with SETTINGS");
  switch (frame) {
    case H3Frame::data:
    case H3Frame::headers:
    case H3Frame::push_promise:
      return unexpected();
    case H3Frame::max_push_id:
    case H3Frame::priority_update:
      if (!is_server_) return unexpected();
      break;
    case H3Frame::priority_update_push:
      if (!is_server_) return unexpected();
      return h3_failure(H3Code::id_error, "PRIORITY_UPDATE for an unknown push ID");
    default:
      if (is_http2_frame(type)) return unexpected();
  }
  return {};
}

Result<> H3ControlReader::end_frame(Receiver& receiver) {
  const std::uint64_t type = frame_.type();
  if (payload_limit(type)) receiver.saw_control_frame(type, payload_.size(), payload_);
  switch (static_cast<H3Frame>(type)) {
    case H3Frame::settings:
      return take_settings(receiver);
    case H3Frame::priority_update:
      return take_priority_update(receiver);
    case H3Frame::goaway:
      return take_goaway(receiver);
    case H3Frame::max_push_id:
      return take_max_push_id();
    case H3Frame::cancel_push:
      return h3_failure(H3Code::id_error, "CANCEL_PUSH for an unknown push ID");
    default:
      return {};
  }
}

Result<> H3ControlReader::take_settings(Receiver& receiver) {
  auto settings = parse_settings(payload_);
  if (!settings) return std::unexpected(std::move(settings.error()));
  settings_ = *settings;
  std::vector<std::uint8_t>().swap(payload_);
  return receiver.on_settings(*settings_);
}

Result<> H3ControlReader::take_goaway(Receiver& receiver) {
  const auto id = parse_only(payload_);
  if (!id) return std::unexpected(id.error());
  // A server's names a request, a client's a push.
  if (*id > goaway_ || (!is_server_ && *id % 4 != 0))
    return h3_failure(H3Code::id_error, "invalid ID in GOAWAY");
  goaway_ = *id;
  return receiver.on_goaway(*id);
}

/// Legal, and of no use: we never push.
Result<> H3ControlReader::take_max_push_id() {
  const auto id = parse_only(payload_);
  if (!id) return std::unexpected(id.error());
  if (*id < max_push_id_) return h3_failure(H3Code::id_error, "MAX_PUSH_ID was reduced");
  max_push_id_ = *id;
  return {};
}

Result<> H3ControlReader::take_priority_update(Receiver& receiver) const {
  Bytes payload = payload_;
  const auto id = take_varint(payload);
  if (!id) return h3_failure(H3Code::frame_error, "truncated PRIORITY_UPDATE");
  if (*id % 4 != 0)
    return h3_failure(H3Code::id_error, "PRIORITY_UPDATE for a stream that is no request stream");
  const auto priority = parse_priority(as_text(payload));
  if (!priority)
    return h3_failure(H3Code::general_protocol_error, "malformed Priority Field Value in PRIORITY_UPDATE");
  return receiver.on_priority_update(static_cast<quic::StreamId>(*id), *priority);
}

}  // namespace sallyport::http
