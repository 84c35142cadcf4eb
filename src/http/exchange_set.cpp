#include "http/exchange_base.h"

#include <algorithm>

namespace sallyport::http {

ExchangeSet::ExchangeSet(net::Timers& timers, const Limits& limits, ExchangeOwner& owner)
    : budget(limits, timers.now()),
      timers_(timers),
      limits_(limits),
      owner_(owner),
      end_(timers, [this](Time) { end_exchanges(); }),
      stalled_(timers, [this](Time now) { time_out(now); }) {}

void ExchangeSet::watch_idle() {
  if (size_ > 0) return;
  empty_since_ = timers_.now();
  watch(empty_since_ + limits_.idle_timeout);
}

void ExchangeSet::count_body(std::size_t bytes) {
  constexpr std::size_t worth_one = 16 * 1024;
  bodies_ += bytes;
  if (bodies_ < worth_one) return;
  budget.earn_by_bytes(timers_.now(), static_cast<std::uint32_t>(bodies_ / worth_one));
  bodies_ %= worth_one;
}

ExchangeSet::~ExchangeSet() {
  clear();
}

void ExchangeSet::clear() {
  end_all({ErrorKind::cancelled, "the connection was abandoned"});
}

void ExchangeSet::add(std::unique_ptr<ExchangeBase> exchange) {
  ExchangeBase* const added = exchange.release();
  added->previous_ = last_;
  added->next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = added;
  last_ = added;
  ++size_;
  watch(added->stall_deadline());
}

void ExchangeSet::unlink(ExchangeBase& exchange) {
  (exchange.previous_ != nullptr ? exchange.previous_->next_ : first_) = exchange.next_;
  (exchange.next_ != nullptr ? exchange.next_->previous_ : last_) = exchange.previous_;
  --size_;
}

void ExchangeSet::close_all(const Error& why) {
  for_each([&](ExchangeBase& exchange) { exchange.transport_closed(&why); });
}

void ExchangeSet::end_all(const Error& why) {
  close_all(why);
  end_exchanges();
}

void ExchangeSet::end_later(ExchangeBase& exchange) {
  (ending_last_ != nullptr ? ending_last_->next_ending_ : ending_) = &exchange;
  ending_last_ = &exchange;
  end_.request();
}

void ExchangeSet::end_exchanges() {
  while (ending_ != nullptr) {
    ExchangeBase& exchange = *ending_;
    ending_ = exchange.next_ending_;
    if (ending_ == nullptr) ending_last_ = nullptr;
    if (exchange.handler_ != nullptr)
      exchange.handler_->on_closed(exchange, exchange.why_ ? &*exchange.why_ : nullptr);
    if (exchange.record_) record(exchange);
    exchange.return_credit();
    heads_.release(exchange.head_size_);
    unlink(exchange);
    watch_idle();
    owner_.on_exchange_gone(exchange);
    delete &exchange;
  }
}

void ExchangeSet::record(ExchangeBase& exchange) {
  ExchangeRecord& record = *exchange.record_;
  // A client that went away before it had asked for anything is no request.
  const bool asked = exchange.receive_ != ExchangeBase::Receive::head;
  if (log_ == nullptr || (!asked && record.status == 0 && record.end != ExchangeEnd::reset)) return;
  record.request = &exchange.request();
  record.version = exchange.version();
  record.stream_id = exchange.stream_id();
  record.ended = timers_.now();
  record.why = exchange.why_ ? &*exchange.why_ : nullptr;
  log_->on_exchange_ended(exchange.connection(), record);
}

void ExchangeSet::watch(Time deadline) {
  if (deadline == never) return;
  if (!stalled_.armed() || deadline < stalled_.deadline()) stalled_.arm(deadline);
}

// Looks at all of them, but only as often as the shortest limit asks: cheaper than a timer that every packet
// moves.
void ExchangeSet::time_out(Time now) {
  if (size_ == 0) {
    const Time idle_at = empty_since_ + limits_.idle_timeout;
    if (now < idle_at) return stalled_.arm(idle_at);
    return owner_.on_idle();
  }
  Time next = now + limits_.idle_timeout;
  for_each([&](ExchangeBase& exchange) {
    // Of a request that is answered only its body is given up, unless the response stands still as well.
    if (exchange.is_answered() && exchange.receive_deadline() <= now && exchange.send_deadline() > now)
      exchange.stop_reading(ResetCode::no_error);
    const Time deadline = exchange.stall_deadline();
    if (deadline <= now)
      exchange.fail(ResetCode::cancelled, {ErrorKind::timeout, "stream idle timeout"});
    else
      next = std::min(next, deadline);
    if (exchange.idle_timeout_ > Duration::zero()) next = std::min(next, now + exchange.idle_timeout_);
  });
  stalled_.arm(next);
}

}  // namespace sallyport::http
