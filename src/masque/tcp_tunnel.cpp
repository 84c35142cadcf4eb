#include "masque/tcp_tunnel.h"

#include "masque/exchange_sink.h"
#include "masque/proxy_status.h"
#include "masque/refusal_error.h"

#include <utility>
#include <vector>

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
        deliver_(connection.timers(), [this](Time) { deliver_held(); }),
        exchange_(&connection.request(tunnel_request(target_, extra_fields), *this, false)) {}
  ~TcpTunnel() override { close(); }

  // ByteStream
  void set_receiver(net::ByteStreamReceiver* receiver) override {
    receiver_ = receiver;
    want_delivery();
  }
  void write(Chunk chunk) override {
    if (writable()) exchange_->write(std::move(chunk));
  }
  void write(Bytes bytes) override {
    if (writable()) exchange_->write(bytes);
  }
  std::size_t queued_bytes() const override { return exchange_ == nullptr ? 0 : exchange_->queued_bytes(); }
  void finish() override {
    if (!writable()) return;
    finished_ = true;
    exchange_->finish();
  }
  void close() override {
    receiver_ = nullptr;
    held_ = std::vector<Chunk>();
    if (exchange_ == nullptr) return;
    http::Exchange& exchange = *std::exchange(exchange_, nullptr);
    exchange.set_handler(&exchange_sink());
    // What both sides ended in order leaves in order, too.
    if (!(finished_ && end_received_) && !failed_) exchange.reset(http::ResetCode::cancelled);
  }
  void set_reading(bool on) override {
    reading_ = on;
    want_delivery();
  }
  net::NetPath net_path() const override {
    return exchange_ == nullptr ? net::NetPath{} : exchange_->connection().info().path;
  }

 private:
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
      accepted_ = true;
      if (events_.opened) events_.opened(next_hop_of(head.fields));
      return;
    }
    const Error why = refusal_error(target_, head, exchange.request().fields);
    exchange.reset(http::ResetCode::cancelled, why);
    fail(why);
  }
  void on_body(http::Exchange& exchange, Bytes body) override {
    if (failed_) return exchange.consume(body.size());
    if (!may_deliver() || !held_.empty()) {
      held_.push_back(Chunk::copy_of(body));  // its credit is not given back, so there is an end to it
      return;
    }
    receiver_->on_bytes(body);
    exchange.consume(body.size());
  }
  void on_end(http::Exchange&) override {
    end_received_ = true;
    want_delivery();
  }
  void on_writable(http::Exchange&) override {
    if (receiver_ != nullptr && !failed_) receiver_->on_stream_writable();
  }
  void on_closed(http::Exchange&, const Error* why) override {
    exchange_ = nullptr;
    if (why != nullptr) fail(tunnel_end_error(target_, version_, *why));
  }

  bool writable() const { return exchange_ != nullptr && !failed_ && !finished_; }
  bool may_deliver() const { return reading_ && receiver_ != nullptr && !failed_; }
  void want_delivery() {
    if (may_deliver() && (!held_.empty() || end_received_)) deliver_.request();
  }

  void deliver_held() {
    std::size_t done = 0;
    while (done < held_.size() && may_deliver()) {
      const Chunk piece = std::move(held_[done++]);
      receiver_->on_bytes(piece.bytes());
      if (exchange_ != nullptr) exchange_->consume(piece.size());
    }
    if (!held_.empty()) held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(done));
    if (held_.empty() && end_received_ && may_deliver() && !std::exchange(end_delivered_, true))
      receiver_->on_end();
  }

  void fail(const Error& why) {
    if (std::exchange(failed_, true)) return;
    held_ = std::vector<Chunk>();
    const std::weak_ptr<const char> watch = alive_;
    if (!accepted_ && events_.refused) events_.refused(why);
    if (!watch.expired() && receiver_ != nullptr) receiver_->on_stream_error(why);
  }

  const Target target_;
  const http::Version version_;
  const TcpTunnelEvents events_;
  net::Deferred deliver_;
  net::ByteStreamReceiver* receiver_ = nullptr;
  std::vector<Chunk> held_;  // came while nobody read
  bool reading_ = false;
  bool accepted_ = false;
  bool finished_ = false;
  bool end_received_ = false;
  bool end_delivered_ = false;
  bool failed_ = false;
  const std::shared_ptr<const char> alive_ =
      std::make_shared<const char>();  // an error may be the end of this object
  http::Exchange* exchange_;           // null after on_closed; last, as asking for it makes use of the rest
};

}  // namespace

std::unique_ptr<net::ByteStream> open_tcp_tunnel(http::Connection& connection, const Target& target,
                                                 const http::Fields& extra_fields, TcpTunnelEvents events) {
  return std::make_unique<TcpTunnel>(connection, target, extra_fields, std::move(events));
}

}  // namespace sallyport::masque
