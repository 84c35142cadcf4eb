// What an exchange receives: frames in the order of RFC 9114 §4.1, and field sections that may come in pieces
// or have to wait for QPACK.
#include "http/h3_connection_impl.h"
#include "http/h3_exchange.h"

#include <algorithm>
#include <utility>

namespace sallyport::http {

namespace {

bool is_type(std::uint64_t type, H3Frame which) {
  return type == static_cast<std::uint64_t>(which);
}

}  // namespace

H3Exchange::Unfinished& H3Exchange::unfinished() {
  if (!unfinished_) unfinished_ = std::make_unique<Unfinished>();
  return *unfinished_;
}

std::size_t H3Exchange::take_uncredited() {
  return unfinished_ ? std::exchange(unfinished_->uncredited, 0) : 0;
}

bool H3Exchange::is_unblocked(const QpackDecoder& decoder) const {
  return unfinished_ && unfinished_->blocked && decoder.is_ready(unfinished_->context);
}

void H3Exchange::abandon_reading() {
  h3_.decoder().cancel(id_);
  // The peer's encoder waits to hear it. What goes wrong here is found with the next section as well.
  [[maybe_unused]] const auto sent = h3_.send_decoder_instructions();
  if (!unfinished_) return;
  unfinished_->blocked = false;
  skip_frames(std::exchange(unfinished_->behind, {}));
  h3_.quic()->consume(id_, take_uncredited());
}

/// Nobody reads what still comes; where it may end counts all the same (RFC 9114 §7.1).
void H3Exchange::skip_frames(Bytes data) {
  while (!data.empty()) {
    if (!frame_.known() && !frame_.take(data)) return;
    frame_.take_payload(data);
    if (frame_.left() == 0) frame_.next();
  }
}

Result<> H3Exchange::receive(Bytes data, bool fin) {
  if (unfinished_ && unfinished_->blocked) {
    unfinished_->behind.insert(unfinished_->behind.end(), data.begin(), data.end());
    unfinished_->uncredited += data.size();
    unfinished_->fin = fin;
    return {};
  }
  std::size_t credit = 0;  // for what is not body: that gets its own
  Result<> result;
  while (!data.empty() && result) {
    if (is_ending() || receive_done()) {
      credit += data.size();
      skip_frames(data);
      break;
    }
    if (!frame_.known()) {
      const std::size_t before = data.size();
      const bool complete = frame_.take(data);
      credit += before - data.size();
      if (!complete) break;
      result = begin_frame();
      if (!result || !frame_.known() || frame_.left() > 0) continue;
    }
    const Bytes piece = frame_.take_payload(data);
    ends_here_ = fin && data.empty() && frame_.left() == 0;
    if (is_type(frame_.type(), H3Frame::data)) {
      received_body(piece);
    } else if (is_type(frame_.type(), H3Frame::headers)) {
      result = take_section_piece(piece, credit);
    } else {
      credit += piece.size();
    }
    if (frame_.left() == 0) frame_.next();
    if (unfinished_ && unfinished_->blocked) {
      unfinished_->behind.assign(data.begin(), data.end());
      unfinished_->uncredited += data.size();
      unfinished_->fin = fin;
      if (credit > 0) h3_.quic()->consume(id_, credit);
      return result;
    }
  }
  if (credit > 0) h3_.quic()->consume(id_, credit);
  if (result && fin) result = receive_end();
  return result;
}

/// A frame's head was read: whether it may come here, and what it starts.
Result<> H3Exchange::begin_frame() {
  const std::uint64_t type = frame_.type();
  const auto unexpected = [] {
    return h3_failure(H3Code::frame_unexpected, "unexpected frame on a request stream");
  };
  const bool head_seen = is_server() ? request_seen_ : has_response();
  if (is_type(type, H3Frame::data)) {
    if (!head_seen || trailers_seen_) return unexpected();
    h3_.trace_frame(trace::Direction::received, id_, type, frame_.left());
    if (frame_.left() > 0) return {};
    frame_.next();
    return h3_.spend();  // an empty one does nothing but cost
  }
  if (is_type(type, H3Frame::headers)) {
    // A tunnel's stream has DATA only (RFC 9114 §4.4).
    if (trailers_seen_ || (head_seen && is_tunnel())) return unexpected();
    if (frame_.left() > h3_.limits().max_section_size) return refuse_large_section();
    return {};
  }
  switch (static_cast<H3Frame>(type)) {
    case H3Frame::push_promise:
      if (!is_server()) return h3_failure(H3Code::id_error, "push ID beyond MAX_PUSH_ID");
      return unexpected();
    case H3Frame::cancel_push:
    case H3Frame::settings:
    case H3Frame::goaway:
    case H3Frame::max_push_id:
    case H3Frame::priority_update:
    case H3Frame::priority_update_push:
      return unexpected();
    default:
      break;
  }
  if (is_http2_frame(type)) return unexpected();
  h3_.trace_frame(trace::Direction::received, id_, type, frame_.left());
  if (frame_.left() == 0) frame_.next();
  return h3_.spend();
}

/// One that is too large even encoded is not read at all
/// (docs/threat-model.md, "header bomb").
Result<> H3Exchange::refuse_large_section() {
  const Verdict verdict{Fault::section_too_large, "the field section is too large"};
  const bool head_seen = is_server() ? request_seen_ : has_response();
  if (head_seen) {
    trailers_seen_ = true;
    received_trailers({}, verdict);
  } else if (is_server()) {
    request_seen_ = true;
    received_request(h3_.requests(), verdict, std::nullopt, false);
  } else {
    Response none;
    received_response(none, verdict, std::nullopt);
  }
  return {};
}

Result<> H3Exchange::take_section_piece(Bytes piece, std::size_t& credit) {
  if (frame_.left() == 0 && !unfinished_) {
    credit += piece.size();
    return decode(piece);
  }
  Unfinished& rest = unfinished();
  rest.section.insert(rest.section.end(), piece.begin(), piece.end());
  rest.uncredited += piece.size();
  if (frame_.left() > 0) return {};
  // decode() may have to keep what it is given once more.
  std::vector<std::uint8_t> section;
  section.swap(rest.section);
  return decode(section);
}

Result<> H3Exchange::decode(Bytes section) {
  QpackContext context;
  if (unfinished_) context = std::move(unfinished_->context);
  const bool head_seen = is_server() ? request_seen_ : has_response();
  Result<> result;
  if (head_seen)
    result = decode_trailers(section, context);
  else if (is_server())
    result = decode_request(section, context);
  else
    result = decode_response(section, context);
  if (!result) return result;
  if (context) {  // blocked
    Unfinished& rest = unfinished();
    rest.section.assign(section.begin(), section.end());
    rest.context = std::move(context);
    rest.blocked = true;
    return h3_.add_blocked(*this);
  }
  if (unfinished_) {
    const std::size_t credit = take_uncredited();
    if (credit > 0) h3_.quic()->consume(id_, credit);
    if (!unfinished_->blocked) unfinished_.reset();
  }
  return h3_.send_decoder_instructions();
}

Result<> H3Exchange::decode_request(Bytes& section, QpackContext& context) {
  const std::size_t size = section.size();
  HeadBuilder builder(h3_.limits());
  builder.begin_request(request_, Version::http3, true);
  const auto done = h3_.decoder().decode(id_, context, section, builder);
  if (!done) return std::unexpected(done.error());
  if (!*done) return {};
  const Verdict verdict = builder.finish();
  request_seen_ = true;
  // A server is established once it has keys to answer with; what comes before the client's Finished was sent
  // as 0-RTT.
  request_.early_data = !h3_.quic()->is_established();
  const auto updated = h3_.take_early_priority(id_);
  if (updated) request_.priority = *updated;
  h3_.scheduler().set_priority(*this, request_.priority);
  if (h3_.recorder() != nullptr) h3_.trace_request(trace::Direction::received, id_, size, request_);
  received_request(h3_.requests(), verdict, builder.content_length(), ends_here_);
  if (!knows_datagrams() && h3_.holds_early_datagrams(id_)) refuse_datagram();
  return {};
}

Result<> H3Exchange::decode_response(Bytes& section, QpackContext& context) {
  const std::size_t size = section.size();
  Response response;
  HeadBuilder builder(h3_.limits());
  builder.begin_response(response, Version::http3);
  const auto done = h3_.decoder().decode(id_, context, section, builder);
  if (!done) return std::unexpected(done.error());
  if (!*done) return {};
  const Verdict verdict = builder.finish();
  if (h3_.recorder() != nullptr) h3_.trace_response(trace::Direction::received, id_, size, response);
  received_response(response, verdict, builder.content_length(), ends_here_);
  return {};
}

Result<> H3Exchange::decode_trailers(Bytes& section, QpackContext& context) {
  const std::size_t size = section.size();
  Fields trailers;
  HeadBuilder builder(h3_.limits());
  builder.begin_trailers(trailers, Version::http3);
  const auto done = h3_.decoder().decode(id_, context, section, builder);
  if (!done) return std::unexpected(done.error());
  if (!*done) return {};
  trailers_seen_ = true;
  const Verdict verdict = builder.finish();
  if (h3_.recorder() != nullptr) h3_.trace_fields(trace::Direction::received, id_, size, trailers);
  received_trailers(trailers, verdict);
  return {};
}

Result<> H3Exchange::resume() {
  const std::vector<std::uint8_t> section = std::move(unfinished_->section);
  const std::vector<std::uint8_t> behind = std::move(unfinished_->behind);
  const bool fin = unfinished_->fin;
  // Credit for what is behind is given where it is read.
  unfinished_->uncredited -= std::min(unfinished_->uncredited, behind.size());
  unfinished_->blocked = false;
  unfinished_->section.clear();
  unfinished_->behind.clear();
  ends_here_ = fin && behind.empty();
  if (auto result = decode(section); !result) return result;
  if (behind.empty() && !fin) return {};
  return receive(behind, fin);
}

Result<> H3Exchange::receive_end() {
  if (is_ending()) return {};
  if (!frame_.at_boundary()) return h3_failure(H3Code::frame_error, "the stream ended inside a frame");
  if (receive_done()) return {};
  if (is_server() && !request_seen_)
    fail(ResetCode::message_error, {ErrorKind::protocol, "the stream ended before the request was complete"});
  else
    received_end();
  return {};
}

void H3Exchange::on_reset(Error why) {
  if (!receive_done()) abandon_reading();
  received_reset(std::move(why));
}

}  // namespace sallyport::http
