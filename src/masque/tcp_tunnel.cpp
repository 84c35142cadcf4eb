#include "masque/tcp_tunnel.h"

#include "base/lifetime.h"
#include "masque/exchange_sink.h"
#include "masque/proxy_status.h"
#include "masque/pump.h"
#include "masque/refusal_error.h"

#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

class TcpTunnel final : public net::ByteStream, http::ExchangeHandler {
 public:
  TcpTunnel(http::Connection& connection, Target target, const http::Fields& extra_fields,
            TcpTunnelEvents events)
      : target_(std::move(target)),
        version_(connection.info().version),
        events_(std::move(events)),
        deliver_(connection.timers(), [this](Time) { deliver(); }) {
    // Makes use of all the rest.
    hop_.attach(connection.request(tunnel_request(target_, extra_fields), *this, false));
  }
  ~TcpTunnel() override { close(); }

  // ByteStream
  void set_receiver(net::ByteStreamReceiver* receiver) override {
    receiver_ = receiver;
    want_delivery();
  }
  // Who writes is held back by queued_bytes(), which are the exchange's, and so needs no Pump.
  void write(Chunk chunk) override {
    if (writable()) hop_.get()->write(std::move(chunk));
  }
  void write(Bytes bytes) override {
    if (writable()) hop_.get()->write(bytes);
  }
  std::size_t queued_bytes() const override { return hop_.get() == nullptr ? 0 : hop_.get()->queued_bytes(); }
  void finish() override {
    if (!writable()) return;
    finished_ = true;
    hop_.get()->finish();
  }
  void close() override {
    receiver_ = nullptr;
    if (http::Exchange* const exchange = hop_.get(); exchange != nullptr) {
      exchange->set_handler(&exchange_sink());
      // What both sides ended in order leaves in order, too.
      if (!(finished_ && end_received_) && !failed_) exchange->reset(http::ResetCode::cancelled);
    }
    down_.stop();
    hop_.detach();
  }
  void set_reading(bool on) override {
    reading_ = on;
    want_delivery();
  }
  net::NetPath net_path() const override {
    return hop_.get() == nullptr ? net::NetPath{} : hop_.get()->connection().info().path;
  }

 private:
  /// Whoever reads the stream, as a Pump's sink.
  struct Reader final : PumpSink {
    explicit Reader(TcpTunnel& owner) : tunnel(owner) {}
    using PumpSink::write;
    void write(Bytes bytes) override { tunnel.receiver_->on_bytes(bytes); }
    bool full() override { return false; }  // says set_reading(false) instead
    void finish() override { tunnel.receiver_->on_end(); }
    void abort(const Error& why) override {
      if (tunnel.receiver_ != nullptr) tunnel.receiver_->on_stream_error(why);
    }
    TcpTunnel& tunnel;
  };

  static http::Request tunnel_request(const Target& target, const http::Fields& extra_fields) {
    http::Request request;
    request.method = "CONNECT";
    request.scheme.clear();
    request.path.clear();
    request.authority = target.to_string();
    request.fields = extra_fields;
    return request;
  }

  // ExchangeHandler
  void on_response(http::Exchange& exchange, const http::Response& head) override {
    if (head.status / 100 == 2) {
      if (events_.opened) events_.opened(next_hop_of(head.fields));
      return;
    }
    const Error why = refusal_error(target_.to_string(), head, exchange.request().fields);
    exchange.reset(http::ResetCode::cancelled, why);
    fail(why);
  }
  void on_body(http::Exchange&, Bytes body) override { down_.take(body); }
  void on_end(http::Exchange&) override {
    end_received_ = true;
    want_delivery();
  }
  void on_writable(http::Exchange&) override {
    if (receiver_ != nullptr && !failed_) receiver_->on_stream_writable();
  }
  void on_closed(http::Exchange&, const Error* why) override {
    hop_.detach();
    if (why != nullptr) fail(tunnel_end_error(target_.to_string(), version_, *why));
  }

  bool writable() const { return hop_.get() != nullptr && !failed_ && !finished_; }
  bool may_deliver() const { return reading_ && receiver_ != nullptr && !failed_; }
  /// What is held, and the end, are not delivered from inside the receiver's own calls.
  void want_delivery() {
    if (!may_deliver())
      down_.pause();
    else if (down_.holds() || end_received_)
      deliver_.request();
    else
      down_.start();
  }

  void deliver() {
    if (!may_deliver()) return;
    const Lifetime::Guard guard(lifetime_);
    down_.start();
    if (!guard.gone() && end_received_) down_.end();
  }

  void fail(const Error& why) {
    if (std::exchange(failed_, true)) return;
    const Lifetime::Guard guard(lifetime_);  // an error may be the end of this object
    if (events_.closed) events_.closed(why);
    if (!guard.gone()) down_.abort(why);
  }

  const Target target_;
  const http::Version version_;
  const TcpTunnelEvents events_;
  net::Deferred deliver_;
  net::ByteStreamReceiver* receiver_ = nullptr;
  ExchangeEnd hop_{http::ResetCode::cancelled};
  Reader reader_{*this};
  Pump down_{hop_, reader_};
  Lifetime lifetime_;
  bool reading_ = false;
  bool finished_ = false;
  bool end_received_ = false;
  bool failed_ = false;
};

}  // namespace

std::unique_ptr<net::ByteStream> open_tcp_tunnel(http::Connection& connection, const Target& target,
                                                 const http::Fields& extra_fields, TcpTunnelEvents events) {
  return std::make_unique<TcpTunnel>(connection, target, extra_fields, std::move(events));
}

}  // namespace sallyport::masque
