// What QUIC takes: the control and QPACK streams first, then request streams by priority.
#include "http/h3_connection_impl.h"

#include <array>

namespace sallyport::http {

namespace {

/// What next_stream_data() points to, until it is called again: QUIC asks one connection at a time.
thread_local std::array<::iovec, 16> pieces;

}  // namespace

H3ConnectionImpl::OwnStream* H3ConnectionImpl::own_stream(quic::StreamId id) {
  if (control_.id == id) return &control_;
  if (decoder_stream_ && decoder_stream_->id == id) return decoder_stream_.get();
  return nullptr;
}

quic::StreamData H3ConnectionImpl::offer(OwnStream& stream) {
  std::size_t count = 0;
  stream.out.unsent(pieces, count);
  return {stream.id, std::span(pieces).first(count), false};
}

Result<quic::StreamData> H3ConnectionImpl::next_stream_data() {
  if (control_.ready()) return offer(control_);
  if (decoder_stream_ && decoder_stream_->ready()) return offer(*decoder_stream_);
  while (H3Sender* const sender = scheduler_.front()) {
    auto& exchange = static_cast<H3Exchange&>(*sender);
    std::size_t count = 0;
    bool fin = false;
    if (exchange.offer(pieces, count, fin)) {
      offering_ = &exchange;
      return quic::StreamData{exchange.id(), std::span(pieces).first(count), fin};
    }
    scheduler_.remove(exchange);
  }
  return quic::StreamData{};
}

void H3ConnectionImpl::on_stream_written(quic::StreamId id, std::size_t count) {
  if (offering_ != nullptr && offering_->id() == id) return offering_->on_written(count);
  if (OwnStream* const stream = own_stream(id)) stream->out.sent(count);
}

void H3ConnectionImpl::on_stream_acked(quic::StreamId id, std::size_t count) {
  if (H3Exchange* const exchange = find(id))
    exchange->on_acked(count);
  else if (OwnStream* const stream = own_stream(id))
    stream->out.acked(count);
}

void H3ConnectionImpl::on_stream_blocked(quic::StreamId id) {
  if (H3Exchange* const exchange = find(id))
    exchange->on_blocked();
  else if (OwnStream* const stream = own_stream(id))
    stream->blocked = true;
}

void H3ConnectionImpl::on_stream_unblocked(quic::StreamId id) {
  if (H3Exchange* const exchange = find(id)) {
    exchange->on_unblocked();
  } else if (OwnStream* const stream = own_stream(id)) {
    stream->blocked = false;
    if (stream->ready()) want_write();
  }
}

void H3ConnectionImpl::on_stream_shut(quic::StreamId id) {
  if (H3Exchange* const exchange = find(id))
    exchange->on_shut();
  else if (OwnStream* const stream = own_stream(id))
    stream->blocked = true;  // on_stop_sending() ends the connection
}

}  // namespace sallyport::http
