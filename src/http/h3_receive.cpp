// What QUIC brings: stream data, resets, datagrams.
#include "base/varint.h"
#include "http/h3_connection_impl.h"

#include <algorithm>

namespace sallyport::http {

namespace {

/// How far, in stream IDs, requests are thought to overtake each other.
constexpr quic::StreamId late_requests = 4 * 128;

}  // namespace

H3Exchange* H3ConnectionImpl::find(quic::StreamId id) {
  const auto* const entry = streams_.find(id);
  return entry != nullptr ? entry->exchange : nullptr;
}

Result<> H3ConnectionImpl::on_stream_data(quic::StreamId id, Bytes data, bool fin) {
  if (!quic::is_bidirectional(id)) return on_peer_stream_data(id, data, fin);
  return on_request_data(id, data, fin);
}

Result<> H3ConnectionImpl::on_request_data(quic::StreamId id, Bytes data, bool fin) {
  if (!quic::is_client_initiated(id))
    return h3_failure(H3Code::stream_creation_error, "server-initiated bidirectional stream");
  const auto* const entry = streams_.find(id);
  H3Exchange* exchange = entry != nullptr ? entry->exchange : nullptr;
  if (entry == nullptr && is_server()) {
    next_request_ = std::max(next_request_, id + 4);
    if (static_cast<std::uint64_t>(id) >= own_goaway_) {
      quic_->reset_stream(id, static_cast<std::uint64_t>(H3Code::request_rejected));
      quic_->stop_sending(id, static_cast<std::uint64_t>(H3Code::request_rejected));
      ++exchanges_.counters.resets_out;
    } else {
      auto made = std::make_unique<H3Exchange>(*this, id, Priority{});
      exchange = made.get();
      exchanges_.add(std::move(made));
    }
    streams_.insert(id, exchange);
  }
  if (exchange != nullptr) return exchange->receive(data, fin);
  quic_->consume(id, data.size());
  return {};
}

Result<> H3ConnectionImpl::on_stream_reset(quic::StreamId id, std::uint64_t code) {
  if (!quic::is_bidirectional(id)) {
    if (is_critical(id)) return h3_failure(H3Code::closed_critical_stream, "critical stream reset");
    return {};
  }
  const auto* const entry = streams_.find(id);
  H3Exchange* const exchange = entry != nullptr ? entry->exchange : nullptr;
  if (exchange == nullptr) {
    // A reset that overtook its request costs as much; one that answers our own does not count.
    return is_server() && entry == nullptr ? spend() : Result<>{};
  }
  const bool counts = is_server() && !exchange->is_ending() && !exchange->receive_done();
  exchange->on_reset(h3_stream_error("the peer reset the stream", code));
  return counts ? spend() : Result<>{};
}

Result<> H3ConnectionImpl::on_stop_sending(quic::StreamId id, std::uint64_t code) {
  if (!quic::is_bidirectional(id))
    return h3_failure(H3Code::closed_critical_stream, "STOP_SENDING for a critical stream");
  H3Exchange* const exchange = find(id);
  if (exchange == nullptr) return {};
  const bool counts = is_server() && !exchange->is_ending() && !exchange->send_done();
  exchange->on_stop_sending(code);
  return counts ? spend() : Result<>{};
}

void H3ConnectionImpl::on_stream_closed(quic::StreamId id, std::uint64_t code, bool was_reset) {
  const bool by_peer = quic::is_client_initiated(id) == is_server();
  if (!quic::is_bidirectional(id)) {
    std::erase_if(peer_streams_, [&](const PeerStream& stream) { return stream.id == id; });
    if (by_peer) quic_->extend_peer_streams_unidirectional(1);
    return;
  }
  if (H3Exchange* const exchange = find(id)) {
    const Error why = was_reset ? h3_stream_error("the stream was reset", code) : Error{};
    exchange->on_stream_closed(was_reset ? &why : nullptr);
  }
  streams_.erase(id);
  if (by_peer) quic_->extend_peer_streams_bidirectional(1);
}

// HTTP datagrams (RFC 9297 §2.1)

void H3ConnectionImpl::on_datagram(Bytes payload, Time) {
  const auto quarter = take_varint(payload);
  if (!quarter || *quarter > varint_max / 4)
    return close_with(H3Code::datagram_error,
                      {ErrorKind::protocol, "HTTP Datagram without a valid quarter stream ID"});
  const auto id = static_cast<quic::StreamId>(*quarter * 4);
  H3Exchange* exchange = last_tunnel_;
  bool known = true;
  if (exchange == nullptr || exchange->id() != id) {
    const auto* const entry = streams_.find(id);
    known = entry != nullptr;
    exchange = known ? entry->exchange : nullptr;
  }
  if (exchange != nullptr && exchange->takes_datagrams()) {
    last_tunnel_ = exchange;
    if (recorder() != nullptr)
      trace_capsule(
          trace::Direction::received,
          {.stream_id = id, .type = capsule_datagram, .length = payload.size(), .as_datagram_frame = true});
    exchange->received_datagram(payload);
    return;
  }
  if (!known && id >= quic_->request_stream_limit())
    return close_with(H3Code::id_error,
                      {ErrorKind::protocol, "HTTP Datagram for a stream beyond the stream limit"});
  if (exchange != nullptr && exchange->has_request() && !exchange->knows_datagrams()) {
    ++exchanges_.counters.datagrams_dropped_unknown_stream;
    return exchange->refuse_datagram();
  }
  // A request may still be on its way, and so may the answer that makes a tunnel of one. What ended does not
  // come back; an older request that we do not know did, in all likelihood.
  const bool may_come = exchange != nullptr ? !exchange->is_ending() && !exchange->has_response()
                                            : is_server() && !known && id + late_requests >= next_request_;
  if (!may_come) {
    ++exchanges_.counters.datagrams_dropped_unknown_stream;
    return;
  }
  if (!early_datagrams_) {
    EarlyDatagrams::Receiver& receiver = *this;
    early_datagrams_ = std::make_unique<EarlyDatagrams>(timers(), limits_, exchanges_.counters, receiver);
  }
  early_datagrams_->hold(id, payload);
}

void H3ConnectionImpl::release_early_datagrams(quic::StreamId id) {
  if (early_datagrams_) early_datagrams_->release(id);
}

bool H3ConnectionImpl::deliver_early(quic::StreamId id, Bytes payload) {
  H3Exchange* const exchange = find(id);
  if (exchange == nullptr || !exchange->takes_datagrams()) return false;
  exchange->received_datagram(payload);
  return true;
}

Bytes H3ConnectionImpl::padding_datagram() {
  Bytes found;
  if (!takes_datagrams().value_or(false)) return found;
  exchanges_.for_each([&](ExchangeBase& base) {
    auto& exchange = static_cast<H3Exchange&>(base);
    if (!found.empty() || !exchange.is_open_tunnel()) return;
    const Bytes prefix = exchange.handler()->padding_prefix();
    if (prefix.empty()) return;
    const std::size_t id_size = put_varint(padding_, static_cast<std::uint64_t>(exchange.id()) / 4);
    assert(id_size + prefix.size() <= padding_.size());
    copy_bytes(prefix, padding_.data() + id_size);
    found = Bytes(padding_).first(id_size + prefix.size());
  });
  return found;
}

void H3ConnectionImpl::on_max_datagram_payload(std::size_t) {
  exchanges_.for_each([](ExchangeBase& exchange) {
    if (exchange.request().is_connect() && exchange.handler() != nullptr && !exchange.is_ending())
      exchange.handler()->on_max_datagram_payload(exchange);
  });
}

void H3ConnectionImpl::on_datagrams_writable(quic::StreamId id) {
  H3Exchange* const exchange = find(id);
  if (exchange == nullptr || !exchange->take_datagram_refused() || exchange->is_ending()) return;
  if (exchange->handler() != nullptr) exchange->handler()->on_datagrams_writable(*exchange);
}

void H3ConnectionImpl::on_datagram_dropped(quic::StreamId id, quic::DatagramDrop why) {
  ConnectionCounters& counters = exchanges_.counters;
  ++(why == DatagramDrop::sojourn ? counters.datagrams_dropped_sojourn : counters.datagrams_dropped_full);
  H3Exchange* const exchange = find(id);
  if (exchange != nullptr && exchange->handler() != nullptr && !exchange->is_ending())
    exchange->handler()->on_datagram_dropped(*exchange, why);
}

}  // namespace sallyport::http
