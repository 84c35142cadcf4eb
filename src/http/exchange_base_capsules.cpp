// HTTP datagrams and capsules on an exchange's stream (RFC 9297 §3).
#include "base/varint.h"
#include "http/exchange_base.h"

#include <array>

namespace sallyport::http {

namespace {

// RFC 9298 §5: no UDP payload, and so no datagram of ours, is longer.
constexpr std::size_t max_capsule_datagram = 65'535;

// As for DATAGRAM frames.
constexpr quic::DatagramQueueOptions bounds;

}  // namespace

void ExchangeBase::use_capsules() {
  if (capsules_) return;
  capsules_ = std::make_unique<CapsuleReader>(set_.limits().max_capsule);
  if (receive_limit_ != no_receive_limit) submit_limit();
}

std::size_t ExchangeBase::max_datagram_payload() const {
  return max_capsule_datagram;
}

bool ExchangeBase::send_datagram(Bytes prefix, Bytes payload) {
  if (ended_ || send_ != Send::body || !capsules_) return false;
  const std::size_t size = prefix.size() + payload.size();
  if (size > max_capsule_datagram) {
    ++set_.counters.datagrams_dropped_size;
    return false;
  }
  // What is in a stream cannot be taken out of its middle: the newest is dropped.
  if (is_late(bounds.sojourn_limit)) return drop_datagram(DatagramDrop::sojourn);
  if (datagrams_full()) {
    if (is_late(bounds.fresh)) return drop_datagram(DatagramDrop::full);
    ++set_.counters.datagrams_dropped_queue;
    datagram_refused_ = true;
    return false;
  }
  std::array<std::uint8_t, 16> head;
  const std::size_t head_size = put_capsule_head(head, capsule_datagram, size);
  const std::size_t before = queue_.size();
  queue_.append(Bytes(head).first(head_size), prefix, payload);
  if (marked_ == 0) {
    marked_ = queue_.size();
    marked_at_ = set_.timers().now();
  }
  ++set_.counters.datagrams_out;
  note_datagram_sent(payload.size());
  capsule_seen(true, capsule_datagram, size);
  queue_grew(before);
  return true;
}

bool ExchangeBase::is_late(Duration limit) const {
  return when_full_ == WhenFull::drop && marked_ > 0 && set_.timers().now() - marked_at_ > limit;
}

/// True: it is done with.
bool ExchangeBase::drop_datagram(DatagramDrop why) {
  ++(why == DatagramDrop::sojourn ? set_.counters.datagrams_dropped_sojourn
                                  : set_.counters.datagrams_dropped_full);
  if (handler_ != nullptr) handler_->on_datagram_dropped(*this, why);
  return true;
}

void ExchangeBase::send_capsule(std::uint64_t type, Bytes value) {
  if (ended_ || send_ != Send::body) return;
  std::array<std::uint8_t, 16> head;
  const std::size_t head_size = put_capsule_head(head, type, value.size());
  const std::size_t before = queue_.size();
  queue_.append(Bytes(head).first(head_size), value);
  capsule_seen(true, type, value.size());
  queue_grew(before);
}

void ExchangeBase::received_capsules(Bytes body) {
  const auto wanted = [this](std::uint64_t type, std::uint64_t size) {
    capsule_seen(false, type, size);
    if (size <= set_.limits().max_capsule) return true;
    if (type != capsule_datagram) return false;
    // No payload of any kind is so long. The reader makes an error of it, as RFC 9298 §5 asks.
    ++set_.counters.datagrams_dropped_size;
    return true;
  };
  const auto found = [this](std::uint64_t type, Bytes value) -> Result<> {
    if (receive_done()) return {};  // the handler stopped reading at an earlier one
    if (type == capsule_datagram) {
      received_datagram(value);
      if (ended_) return sallyport::fail(ErrorKind::cancelled, "the exchange has ended");
      return {};
    }
    // Its bytes are the handler's from here on.
    uncredited_ -= value.size();
    unconsumed_ += value.size();
    if (auto result = handler_->on_capsule(*this, type, value); !result) return result;
    if (ended_) return sallyport::fail(ErrorKind::cancelled, "the exchange has ended");
    return {};
  };
  uncredited_ += body.size();
  auto result = capsules_->feed(body, wanted, found);
  if (receive_done()) return;  // all credit was given back by then
  const std::size_t keep = result ? capsules_->buffered() : 0;
  const std::size_t credit = uncredited_ - keep;
  uncredited_ = keep;
  if (credit > 0) submit_credit(credit);
  if (!result) fail(ResetCode::datagram_error, std::move(result.error()));
}

void ExchangeBase::received_datagram(Bytes payload) {
  if (ended_ || handler_ == nullptr) return;
  if (handler_->is_padding(payload)) return dropped_padding();
  ++set_.counters.datagrams_in;
  if (record_) {
    Bytes behind_context = payload;
    take_varint(behind_context);
    record_->bytes_in += behind_context.size();
    ++record_->datagrams_in;
  }
  touch();
  handler_->on_datagram(*this, payload);
}

}  // namespace sallyport::http
