// ExchangeBase: what an Exchange does alike in all versions: the order of messages, the queue of what waits
// to be sent, content-length, capsules, and an end that comes once and never inside a caller. Below it, each
// version fills in a few virtual functions and tells what came in. ExchangeSet owns the exchanges of one
// connection.
#pragma once

#include "http/abuse_budget.h"
#include "http/capsule.h"
#include "http/connection.h"
#include "http/exchange.h"
#include "http/exchange_log.h"
#include "http/held_heads.h"
#include "http/limits.h"
#include "http/send_queue.h"
#include "http/validation.h"
#include "net/timers.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace sallyport::http {

class ExchangeBase;

/// A connection, as its ExchangeSet sees it.
class ExchangeOwner {
 public:
  /// on_closed was called; the exchange is destroyed when this returns. The place to forget it, and to close
  /// when it was the last.
  virtual void on_exchange_gone(ExchangeBase& exchange) = 0;
  /// There was no exchange for the idle timeout.
  virtual void on_idle() {}

 protected:
  ~ExchangeOwner() = default;
};

/// The exchanges of one connection: owns them, ends them outside of their callers, times out those that do
/// not move, and tells when there were none for long.
class ExchangeSet {
 public:
  ExchangeSet(net::Timers& timers, const Limits& limits, ExchangeOwner& owner);
  /// As clear().
  ~ExchangeSet();
  /// Exchanges that are left get on_closed (kind cancelled) here. For destructors of connections, while all
  /// of them is still there.
  void clear();

  void add(std::unique_ptr<ExchangeBase> exchange);
  std::size_t size() const { return size_; }
  /// `visit(ExchangeBase&)`; it may end exchanges.
  template <class Visit>
  void for_each(Visit&& visit);
  /// Ends all with `why`; each gets on_closed at the end of this turn.
  void close_all(const Error& why);
  /// The same, but at once: where no caller of an exchange is on the stack (the connection closed, or is
  /// being destroyed).
  void end_all(const Error& why);
  /// Server: is told of exchanges that begin from now on. Null: nobody.
  void set_log(ExchangeLog* log) { log_ = log; }
  ExchangeLog* log() const { return log_; }
  /// The connection is established, without exchanges so far: on_idle() is due from now on.
  void watch_idle();

  net::Timers& timers() const { return timers_; }
  const Limits& limits() const { return limits_; }
  ConnectionCounters counters;
  AbuseBudget budget;  ///< work that was of use fills it, too

 private:
  friend class ExchangeBase;
  void end_later(ExchangeBase& exchange);
  void end_exchanges();
  void unlink(ExchangeBase& exchange);
  void record(ExchangeBase& exchange);
  void count_body(std::size_t bytes);
  void watch(Time deadline);
  void time_out(Time now);

  net::Timers& timers_;
  const Limits& limits_;
  ExchangeOwner& owner_;
  ExchangeLog* log_ = nullptr;
  ExchangeBase* first_ = nullptr;
  ExchangeBase* last_ = nullptr;
  ExchangeBase* ending_ = nullptr;  // singly linked, oldest first
  ExchangeBase* ending_last_ = nullptr;
  std::size_t size_ = 0;
  std::size_t queued_ = 0;  // of all exchanges
  HeldHeads heads_;         // of a server's
  std::size_t bodies_ = 0;  // bytes that moved and have not earned anything yet
  Time moved_{};            // when a message last moved, of any exchange that is no tunnel
  Time empty_since_{};      // while size_ is 0
  Time sent_{};             // when anything of any exchange was last sent
  net::Deferred end_;
  net::Timer stalled_;
};

class ExchangeBase : public Exchange {
 public:
  ~ExchangeBase() override;

  // Exchange
  void inform(const Response& head) override;
  void respond(const Response& head, bool end) override;
  void write(Chunk body) override;
  bool can_write() const override { return !ended_ && send_ == Send::body; }
  void write(Bytes body) override;
  std::size_t room() override;
  std::size_t queued_bytes() const override { return queue_.size(); }
  void finish(const Fields& trailers) override;
  void reset(ResetCode code) override;
  void reset(ResetCode code, const Error& why) override;
  void stop_reading(ResetCode code) override;
  void consume(std::size_t bytes) override;
  void set_receive_limit(std::size_t bytes) override;
  void set_idle_timeout(Duration timeout) override;
  void set_identity(std::string_view identity) override;
  void set_addresses(std::string_view addresses) override;
  void set_request_id(std::string_view id) override;
  void set_upstream(std::string_view route, std::string_view backend, std::string_view error) override;
  void use_capsules() override;
  // As capsules; a version with DATAGRAM frames overrides these.
  bool send_datagram(Bytes prefix, Bytes payload) override;
  std::size_t max_datagram_payload() const override;
  std::size_t queued_datagram_bytes() const override { return queue_.size(); }
  bool datagrams_unreliable() const override { return false; }
  void send_capsule(std::uint64_t type, Bytes value) override;

  // For the version's connection: what came in.

  /// Server: request() was filled. Calls `handler` when `verdict` is ok; else answers 431 or 414, or resets
  /// with message_error. `complete`: received_end() follows at once.
  void received_request(RequestHandler& handler, const Verdict& verdict,
                        std::optional<std::uint64_t> content_length, bool complete = false);
  /// Client, after begin_request(): a length that no body will follow would make the next request on an
  /// HTTP/1.1 connection the body of this one. False: it failed.
  bool check_length();

  /// Client: a head of status 1xx or a final one. May drop content-length from it, where that means nothing.
  /// `complete`: received_end() follows at once.
  void received_response(Response& head, const Verdict& verdict, std::optional<std::uint64_t> content_length,
                         bool complete = false);
  /// A piece of the body, each byte of which cost the peer credit.
  void received_body(Bytes body);
  void received_trailers(const Fields& trailers, const Verdict& verdict);
  /// An HTTP datagram that came outside of the stream.
  void received_datagram(Bytes payload);
  /// The peer's message is complete.
  void received_end();
  /// The peer cut its message short (RST_STREAM, RESET_STREAM). Ends the exchange, unless we had stopped
  /// reading.
  void received_reset(Error why);
  /// The peer wants no more of our message. With `benign` (no_error) the response is still awaited (RFC 9114
  /// §4.1).
  void received_stop(bool benign, Error why);
  /// All of ours has left, its end too.
  void sent_end();
  /// The version's stream is gone. `why` counts only when the two messages were not complete. Safe to call
  /// more than once.
  void transport_closed(const Error* why);
  /// Ends the exchange with `why`, and the stream below with `code`.
  void fail(ResetCode code, Error why);

  // For the version's connection: what is to be sent.

  /// The body that waits; take from it by SendQueue::pop through sent_body().
  SendQueue& queue() { return queue_; }
  /// `bytes` were taken off the queue.
  void sent_body(std::size_t bytes);
  /// The queue is all there will be; trailers() follow it, where not empty.
  bool end_queued() const { return send_ >= Send::finished; }
  const Fields& trailers() const { return trailers_; }

  /// Server, for the record: what the connection answered in place of respond(), or said in other words than
  /// it.
  void note_status(unsigned status);
  /// Server, for the record: the first byte of the request came before this was made.
  void note_started(Time when) {
    if (record_) record_->started = when;
  }

  /// on_closed is due or done; nothing more is delivered.
  bool is_ending() const { return ended_; }
  /// What ended it, so far as that was no end in order.
  const std::optional<Error>& why_ended() const { return why_; }
  bool receive_done() const { return receive_ == Receive::ended || receive_ == Receive::stopped; }
  bool send_done() const { return send_ == Send::ended; }
  /// A final response was sent or received.
  bool has_response() const { return status_ != 0; }
  /// The tunnel is open: CONNECT, of either sort, answered with 2xx. HTTP/1.1 shows its 101 as a 200, both
  /// ways.
  bool is_tunnel() const { return request_.is_connect() && status_ != 0 && (status_ < 300); }
  /// HTTP datagrams mean something to this request (RFC 9297 §2): its protocol may define them, or its
  /// handler asked for capsules.
  bool knows_datagrams() const { return capsules_ || !request_.protocol.empty(); }
  /// Datagrams are for the handler: the tunnel is open, or a server's handler that asked for capsules has yet
  /// to answer (RFC 9298 §5) and knows best how many to keep.
  bool takes_datagrams() const {
    return !ended_ && ((is_tunnel() && knows_datagrams()) || (server_ && capsules_ && status_ == 0));
  }
  ExchangeHandler* handler() const { return handler_; }
  static constexpr std::size_t no_receive_limit = SIZE_MAX;
  /// As set_receive_limit() said, and a capsule asks for.
  std::size_t receive_limit() const;
  /// Something moved: puts off the idle timeout.
  void touch() {
    moved_ = set_.timers().now();
    if (!is_tunnel()) set_.moved_ = moved_;
  }
  /// The same, of what was sent.
  void touch_sent() {
    touch();
    set_.sent_ = moved_;
  }

 protected:
  ExchangeBase(ExchangeSet& set, Connection& connection, Version version, bool server);

  /// Client: the request and its handler, before the version submits it. With `end`, end_queued() at once.
  void begin_request(Request request, ExchangeHandler& handler, bool end);

  /// Client: what was sent of the request, its end too, is lost and will be sent once more.
  void request_lost() { send_ = Send::finished; }

  // What each version does.

  /// Sends a response's head; 1xx when it is informational. `end`: nothing follows.
  virtual void submit_head(const Response& head, bool end) = 0;
  /// The queue has more in it, or its end is known. Called on each write: mark it and send at the end of the
  /// turn.
  virtual void submit_body() = 0;
  /// Cuts both directions off.
  virtual void submit_reset(ResetCode code) = 0;
  /// Asks the peer to stop sending.
  virtual void submit_stop(ResetCode code) = 0;
  virtual void submit_credit(std::size_t bytes) = 0;
  /// The peer itself holds back what this exchange sends, not what is sent before it.
  virtual bool peer_blocks() const = 0;
  /// The tunnel was opened (see is_tunnel()).
  virtual void tunnel_opened() {}
  /// receive_limit() is another one.
  virtual void submit_limit() = 0;
  /// A capsule passed, for traces.
  virtual void capsule_seen(bool /*sent*/, std::uint64_t /*type*/, std::size_t /*length*/) {}

  /// An HTTP datagram that came was padding, and counts as none.
  virtual void dropped_padding() {}

  /// An HTTP datagram of this payload was sent outside of the queue.
  void note_datagram_sent(std::size_t payload) {
    if (!record_) return;
    record_->bytes_out += payload;
    ++record_->datagrams_out;
  }

  ExchangeSet& set_;

 private:
  friend class ExchangeSet;
  enum class Receive : std::uint8_t { head, body, trailers, ended, stopped };
  enum class Send : std::uint8_t { head, body, finished, ended };

  bool body_allowed(unsigned status) const;
  bool may_write(std::size_t size);
  void queue_grew(std::size_t before);
  bool datagrams_full() const;
  /// Whether what waits to be sent has waited for longer than `limit`, of a datagram's sender that cannot
  /// wait.
  bool is_late(Duration limit) const;
  bool drop_datagram(DatagramDrop why);
  /// A server's request is decoded: whether there is room to keep it. Otherwise it is refused.
  bool hold_head();
  /// Answers `status` to a request that is not kept.
  void refuse_head(unsigned status);
  void drop_queue();
  void return_credit();
  void give_up(ExchangeEnd how, ResetCode code, Error why);
  void note_end(ExchangeEnd how) {
    if (record_) record_->end = how;
  }
  void received_capsules(Bytes body);
  void mismatch(std::string_view what);
  /// When it will have stood still for too long, or `never`.
  Time stall_deadline() const;
  /// The earlier of these two: when the peer's message did, or ours, which the peer does not take.
  Time receive_deadline() const;
  Time send_deadline() const;
  bool may_time_out() const;
  /// Server: the response is whole, and the request is not.
  bool is_answered() const { return server_ && !ended_ && end_queued() && !receive_done(); }

  SendQueue queue_;
  Fields trailers_;
  std::unique_ptr<CapsuleReader> capsules_;
  std::optional<Error> why_;
  std::unique_ptr<ExchangeRecord> record_;  // null: there is no log
  ExchangeBase* previous_ = nullptr;
  ExchangeBase* next_ = nullptr;
  ExchangeBase* next_ending_ = nullptr;
  Time moved_{};
  Duration idle_timeout_;       // 0: none
  std::int64_t expected_ = -1;  // bytes of body to come; -1: not known
  std::int64_t declared_ = -1;  // bytes of body that we said we would send
  std::size_t head_size_ = 0;   // as ExchangeSet holds it
  std::size_t receive_limit_ = no_receive_limit;
  std::size_t unconsumed_ = 0;
  std::size_t uncredited_ = 0;  // of a capsule that is not all there
  unsigned status_ = 0;
  Receive receive_ = Receive::head;
  Send send_ = Send::head;
  bool ended_ = false;              // on_closed is due or done
  std::uint8_t informational_ = 0;  // how many 1xx came
  bool waits_ = false;              // on_writable is due
  bool datagram_refused_ = false;
  std::size_t marked_ = 0;  // bytes of the queue that were there at marked_at_, when a datagram was sent
  Time marked_at_{};
  bool discard_body_ = false;  // HEAD, 204, 304: what the handler writes is dropped
};

template <class Visit>
void ExchangeSet::for_each(Visit&& visit) {
  for (ExchangeBase* exchange = first_; exchange != nullptr; exchange = exchange->next_) visit(*exchange);
}

}  // namespace sallyport::http
