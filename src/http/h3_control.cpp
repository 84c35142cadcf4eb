// The unidirectional streams: control (RFC 9114 §6.2.1), whose peer's frames H3ControlReader reads, QPACK's
// two (RFC 9204 §4.2), and those we do not know.
#include "base/varint.h"
#include "http/h3_connection_impl.h"

#include <algorithm>

namespace sallyport::http {

namespace {

/// Instructions of the decoder that the peer does not take.
constexpr std::size_t max_unsent_instructions = 64 * 1024;

}  // namespace

// Ours

void H3ConnectionImpl::open_control() {
  if (control_.id >= 0) return;
  const auto id = quic_->open_unidirectional();
  if (!id) return;  // on_streams_available() will do it
  control_.id = *id;
  const std::uint8_t type[] = {static_cast<std::uint8_t>(H3StreamType::control)};
  control_.out.append(type);
  trace_stream_type(trace::Direction::sent, *id, type[0]);
  // What these promise has to stay the same, or a client's 0-RTT would go by promises of an earlier time (RFC
  // 9114 §7.2.4.2).
  const H3Settings settings{.max_field_section_size = limits_.max_section_size,
                            .qpack_table_capacity = qpack_table_capacity,
                            .qpack_blocked_streams = qpack_blocked_streams,
                            .extended_connect = is_server(),
                            .datagrams = true};
  const auto payload = encode_settings(settings);
  append_control_frame(H3Frame::settings, payload);
  if (recorder() != nullptr) trace_settings(trace::Direction::sent, *id, payload);
  if (draining_) send_goaway(is_server() ? own_goaway_ : 0);
}

void H3ConnectionImpl::append_control_frame(H3Frame type, Bytes payload, std::uint64_t value) {
  std::array<std::uint8_t, max_frame_head> head;
  control_.out.append(Bytes(head).first(put_frame_head(head, type, payload.size())), payload.size());
  control_.out.append(payload);
  if (type != H3Frame::settings)
    trace_frame(trace::Direction::sent, control_.id, static_cast<std::uint64_t>(type), payload.size(), value);
  want_write();
}

Result<> H3ConnectionImpl::send_decoder_instructions() {
  const auto instructions = decoder_.take_instructions();
  if (instructions.empty()) return {};
  if (!decoder_stream_) {
    decoder_stream_ = std::make_unique<OwnStream>();
    decoder_stream_->id = quic_->open_unidirectional().value_or(-1);
    const std::uint8_t type[] = {static_cast<std::uint8_t>(H3StreamType::qpack_decoder)};
    decoder_stream_->out.append(type);
    trace_stream_type(trace::Direction::sent, decoder_stream_->id, type[0]);
  }
  decoder_stream_->out.append(instructions);
  if (decoder_stream_->out.unsent_bytes() > max_unsent_instructions)
    return h3_failure(H3Code::excessive_load, "the peer does not read the QPACK decoder stream");
  want_write();
  return {};
}

// The peer's

Result<> H3ConnectionImpl::on_peer_stream_data(quic::StreamId id, Bytes data, bool fin) {
  quic_->consume(id, data.size());
  if (is_critical(id)) return read_critical(id, data, fin);
  auto stream = std::ranges::find(peer_streams_, id, &PeerStream::id);
  if (stream == peer_streams_.end()) stream = peer_streams_.insert(peer_streams_.end(), PeerStream{.id = id});
  if (stream->ignored) return {};
  while (!data.empty()) {
    stream->type[stream->type_size++] = data.front();
    data = data.subspan(1);
    Bytes type = Bytes(stream->type).first(stream->type_size);
    const auto value = take_varint(type);
    if (!value) continue;
    if (auto result = set_peer_stream_type(id, *value); !result) return result;
    return is_critical(id) ? read_critical(id, data, fin) : Result<>{};
  }
  return {};
}

Result<> H3ConnectionImpl::set_peer_stream_type(quic::StreamId id, std::uint64_t type) {
  trace_stream_type(trace::Direction::received, id, type);
  const auto stream = std::ranges::find(peer_streams_, id, &PeerStream::id);
  quic::StreamId* critical = nullptr;
  switch (static_cast<H3StreamType>(type)) {
    case H3StreamType::control:
      critical = &peer_control_;
      break;
    case H3StreamType::qpack_encoder:
      critical = &peer_encoder_;
      break;
    case H3StreamType::qpack_decoder:
      critical = &peer_decoder_;
      break;
    case H3StreamType::push:
      if (is_server()) return h3_failure(H3Code::stream_creation_error, "push stream from a client");
      return h3_failure(H3Code::id_error, "push ID beyond MAX_PUSH_ID");
    default:
      stream->ignored = true;
      quic_->stop_sending(id, static_cast<std::uint64_t>(H3Code::stream_creation_error));
      return spend();
  }
  if (*critical >= 0) return h3_failure(H3Code::stream_creation_error, "second control or QPACK stream");
  *critical = id;
  peer_streams_.erase(stream);
  return {};
}

Result<> H3ConnectionImpl::read_critical(quic::StreamId id, Bytes data, bool fin) {
  Result<> result;
  if (id == peer_control_) {
    result = peer_control_reader_.read(data, *this);
  } else if (id == peer_encoder_) {
    const std::uint64_t before = decoder_.insertions();
    result = decoder_.read_encoder_stream(data);
    // An entry is a field of some length, or the repetition of one that would else be lost; many of one or
    // two bytes each are there to cost.
    const std::uint64_t inserted = decoder_.insertions() - before;
    if (const std::uint64_t honest = data.size() / 8; result && inserted > honest)
      result = spend(static_cast<std::uint32_t>(inserted - honest));
    if (result) result = resume_blocked();
    if (result) result = send_decoder_instructions();
  } else {
    result = cancellations_.read(data);
  }
  if (result && fin) return h3_failure(H3Code::closed_critical_stream, "critical stream closed");
  return result;
}

Result<> H3ConnectionImpl::add_blocked(H3Exchange& exchange) {
  if (blocked_.size() >= qpack_blocked_streams)
    return h3_failure(H3Code::qpack_decompression_failed,
                      "blocked streams exceed SETTINGS_QPACK_BLOCKED_STREAMS");
  blocked_.push_back(&exchange);
  return {};
}

Result<> H3ConnectionImpl::resume_blocked() {
  for (std::size_t i = 0; i < blocked_.size();) {
    H3Exchange& exchange = *blocked_[i];
    if (!exchange.is_unblocked(decoder_)) {
      ++i;
      continue;
    }
    blocked_.erase(blocked_.begin() + static_cast<std::ptrdiff_t>(i));
    if (auto result = exchange.resume(); !result) return result;
  }
  return {};
}

// What its control stream says

Result<> H3ConnectionImpl::on_settings(const H3Settings& settings) {
  if (settings.datagrams && !quic_->peer_takes_datagrams())
    return h3_failure(H3Code::settings_error, "SETTINGS_H3_DATAGRAM without max_datagram_frame_size");
  exchanges_.for_each([](ExchangeBase& exchange) { static_cast<H3Exchange&>(exchange).settings_known(); });
  if (is_server()) return {};
  quic_->remember_settings(encode_settings(settings));
  open_waiting();
  handler_->on_ready(*this);
  return {};
}

Result<> H3ConnectionImpl::on_goaway(std::uint64_t id) {
  if (is_server()) return {};  // it speaks of pushes
  const bool first = !std::exchange(peer_drains_, true);
  refuse_from(static_cast<quic::StreamId>(id));
  if (first) handler_->on_goaway(*this);
  close_when_idle();
  return {};
}

/// The server has not looked at these and will not: they may be sent again elsewhere (RFC 9114 §5.2).
void H3ConnectionImpl::refuse_from(quic::StreamId first) {
  exchanges_.for_each([&](ExchangeBase& exchange) {
    if (exchange.stream_id() < 0 || exchange.stream_id() >= first)
      exchange.fail(ResetCode::cancelled, {ErrorKind::refused, "the server is shutting down"});
  });
}

Result<> H3ConnectionImpl::on_priority_update(quic::StreamId stream, const Priority& priority) {
  if (stream >= quic_->request_stream_limit())
    return h3_failure(H3Code::id_error, "PRIORITY_UPDATE for a stream beyond the stream limit");
  if (H3Exchange* const exchange = find(stream)) {
    if (exchange->has_request()) {
      // A tunnel keeps its turns.
      const bool incremental = priority.incremental || exchange->is_tunnel();
      scheduler_.set_priority(*exchange, {priority.urgency, incremental});
      return {};
    }
  } else if (stream < next_request_) {
    return {};  // it is over
  }
  early_priorities_.put(stream, priority);
  return {};
}

void H3ConnectionImpl::saw_control_frame(std::uint64_t type, std::uint64_t length, Bytes payload) {
  if (recorder() == nullptr) return;
  const auto frame = static_cast<H3Frame>(type);
  if (frame == H3Frame::settings) return trace_settings(trace::Direction::received, peer_control_, payload);
  const std::uint64_t id = take_varint(payload).value_or(0);
  trace_frame(trace::Direction::received, peer_control_, type, length, id,
              frame == H3Frame::priority_update ? as_text(payload) : std::string_view{});
}

}  // namespace sallyport::http
