// The life of an exchange: what is kept of it, and how it ends.
#include "http/exchange_base.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sallyport::http {

namespace {

// Apart from the list, because it is asked after the list's end: an exchange may die with another
// thread-local object.
thread_local bool requests_ended = false;

/// Requests of exchanges that ended, empty, for their memory: what the next request of this thread is built
/// in.
class RecycledRequests {
 public:
  ~RecycledRequests() { requests_ended = true; }
  Request take() {
    if (requests_ended || idle_.empty()) return {};
    Request request = std::move(idle_.back());
    idle_.pop_back();
    return request;
  }
  void give(Request request) {
    if (requests_ended || idle_.size() >= most || request.memory() > largest) return;
    request.clear();
    idle_.push_back(std::move(request));
  }

 private:
  static constexpr std::size_t most = 64;
  static constexpr std::size_t largest = 8192;  // an unusual one is not worth keeping
  std::vector<Request> idle_;
};

thread_local RecycledRequests recycled_requests;

}  // namespace

ExchangeBase::ExchangeBase(ExchangeSet& set, Connection& connection, Version version, bool server)
    : Exchange(connection, version, server),
      set_(set),
      moved_(set.timers().now()),
      idle_timeout_(set.limits().idle_timeout) {
  if (!server) return;
  request_ = recycled_requests.take();
  if (set.log() == nullptr) return;
  record_ = std::make_unique<ExchangeRecord>();
  record_->started = moved_;
}

ExchangeBase::~ExchangeBase() {
  drop_queue();
  if (server_) recycled_requests.give(std::move(request_));
}

void ExchangeBase::note_status(unsigned status) {
  if (!record_) return;
  record_->status = status;
  if (!record_->response_head) record_->response_head = set_.timers().now();
}

void ExchangeBase::set_identity(std::string_view identity) {
  if (record_) record_->identity = identity;
}

void ExchangeBase::set_addresses(std::string_view addresses) {
  if (record_) record_->addresses = addresses;
}

void ExchangeBase::set_request_id(std::string_view id) {
  if (record_) record_->request_id = id;
}

void ExchangeBase::set_upstream(std::string_view route, std::string_view backend, std::string_view error) {
  if (!record_) return;
  record_->route = route;
  record_->upstream = backend;
  record_->upstream_error = error;
}

void ExchangeBase::set_idle_timeout(Duration timeout) {
  idle_timeout_ = timeout;
  set_.watch(stall_deadline());
}

// The end

void ExchangeBase::reset(ResetCode code) {
  reset(code, {ErrorKind::cancelled, "the request was cancelled"});
}

void ExchangeBase::reset(ResetCode code, const Error& why) {
  fail(code, why);
}

void ExchangeBase::transport_closed(const Error* why) {
  if (ended_) return;
  ended_ = true;
  drop_queue();
  if (receive_done() && send_done()) {
    set_.budget.earn(1);
  } else {
    if (why != nullptr)
      why_ = *why;
    else
      why_ = Error{ErrorKind::closed, "the stream ended before request and response were complete"};
    // What the peer did against the rules of the version was answered with a reset below.
    note_end(why_->kind == ErrorKind::protocol ? ExchangeEnd::reset : ExchangeEnd::connection_closed);
  }
  set_.end_later(*this);
}

void ExchangeBase::fail(ResetCode code, Error why) {
  if (ended_) return;
  ++set_.counters.resets_out;
  give_up(ExchangeEnd::reset, code, std::move(why));
}

void ExchangeBase::give_up(ExchangeEnd how, ResetCode code, Error why) {
  ended_ = true;
  note_end(how);
  why_ = std::move(why);
  drop_queue();
  submit_reset(code);
  set_.end_later(*this);
}

bool ExchangeBase::may_time_out() const {
  // A tunnel has timeouts of its own, until both sides have ended it: what is left then is as any response.
  return !ended_ && !(is_tunnel() && !(end_queued() && receive_done()));
}

Time ExchangeBase::stall_deadline() const {
  return std::min(receive_deadline(), send_deadline());
}

Time ExchangeBase::receive_deadline() const {
  if (!may_time_out()) return never;
  if (server_ && receive_ == Receive::head) return moved_ + set_.limits().header_timeout;
  // Messages of one connection may wait for each other (RFC 9218 §10): a response that is not there yet may
  // stand behind another one that moves, and so may a request for which there is no stream yet.
  if (idle_timeout_ == Duration::zero()) return never;
  const bool peer_owes = !receive_done() && unconsumed_ == 0;
  // A server's handler that takes its time (an upstream does) is not the peer's doing.
  if (!peer_owes) return never;
  const Time owed_since = server_ ? moved_ : std::max(moved_, set_.moved_);
  return owed_since +
         (is_answered() ? std::min(idle_timeout_, set_.limits().answered_timeout) : idle_timeout_);
}

Time ExchangeBase::send_deadline() const {
  if (!may_time_out() || idle_timeout_ == Duration::zero()) return never;
  const bool peer_holds = !queue_.empty() || send_ == Send::finished;
  if (!peer_holds) return never;
  // What we send may wait for other messages, too; only flow control of the stream's own is aimed at it.
  const Time held_since = peer_blocks() ? moved_ : std::max(moved_, set_.sent_);
  return held_since + idle_timeout_;
}

}  // namespace sallyport::http
