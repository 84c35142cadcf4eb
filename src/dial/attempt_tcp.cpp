#include "dial/attempt.h"
#include "dial/link.h"
#include "http/tcp_connection.h"
#include "masque/tcp_tunnel.h"
#include "tls/stream.h"

#include <optional>
#include <utility>

namespace sallyport::dial {
namespace {

/// TLS over a ByteStream, then HTTP/2 or HTTP/1.1 as ALPN decided.
class TcpAttempt : public Attempt, private http::ConnectionHandler {
 public:
  TcpAttempt(Context& context, const Peer& peer, const std::vector<std::string>& alpn, AttemptEvents& events)
      : context_(context), peer_(peer), alpn_(alpn), events_(&events) {}

  void abandon() override {
    events_ = nullptr;
    handshake_.reset();
    if (connection_) connection_->close({ErrorKind::cancelled, "no longer needed"});
  }

  http::Connection& connection() override { return *connection_; }
  Reach reach() const override { return reach_; }

  void measure(LinkFigures& figures) const override {
    if (!connection_) return;
    const http::ConnectionInfo& info = connection_->info();
    figures.version = http::to_string(info.version);
    figures.tls = info.tls;
    figures.cipher = info.cipher;
    figures.address = connected_to(info);
    figures.http = connection_->counters();
  }

 protected:
  virtual std::string connected_to(const http::ConnectionInfo& info) const {
    return info.path.remote.to_string();
  }

  void secure(std::unique_ptr<net::ByteStream> stream) {
    tls::ClientOptions options;
    options.trust = context_.trust;
    options.host = peer_.host;
    options.alpn = alpn_;
    options.sessions = context_.sessions;
    options.origin = masque::Target{peer_.host, peer_.port}.to_string();
    options.key_log = context_.quic.key_log;
    options.timeout = context_.connect_timeout;
    handshake_ =
        tls::connect(context_.timers(), std::move(stream), options,
                     [this](Result<std::unique_ptr<tls::Stream>> made) { secured(std::move(made)); });
  }

  void end(const Error* why) {
    if (AttemptEvents* events = std::exchange(events_, nullptr)) events->on_attempt_ended(*this, why);
  }

  void tell_address_failed(const Error& why) {
    if (events_) events_->on_address_failed(*this, why);
  }

  Context& context_;
  const Peer& peer_;
  std::optional<Error> tunnel_error_;
  Reach reach_ = Reach::nothing;

 private:
  void secured(Result<std::unique_ptr<tls::Stream>> stream) {
    auto done = std::move(handshake_);
    // What fails in another way than by silence or by the hop's word, fails by what the peer said.
    const bool silent =
        !stream && (stream.error().kind == ErrorKind::timeout || stream.error().kind == ErrorKind::closed);
    if (!silent && !tunnel_error_) reach_ = Reach::answered;
    if (!stream) return end(&stream.error());
    const auto& info = (*stream)->info();
    const bool http2 = info.alpn == "h2";
    if (!http2 && alpn_.front() == "h2" && alpn_.size() == 1) {
      const Error error{ErrorKind::protocol, "the server did not negotiate HTTP/2 (ALPN h2)"};
      return end(&error);
    }
    const http::StreamSecurity security{
        .server_name = info.server_name, .tls = info.version, .cipher = info.cipher};
    connection_ =
        http2 ? http::make_h2_client(context_.timers(), std::move(*stream), security, *this, context_.limits)
              : http::make_h1_client(context_.timers(), std::move(*stream), security, *this, context_.limits);
  }

  void on_ready(http::Connection&) override {
    if (events_) events_->on_attempt_ready(*this);
  }
  void on_connection_closed(http::Connection&, const Error* why) override { end(why); }

  std::vector<std::string> alpn_;
  AttemptEvents* events_;
  std::unique_ptr<tls::Handshake> handshake_;
  std::unique_ptr<http::Connection> connection_;
};

class DirectTcpAttempt final : public TcpAttempt {
 public:
  DirectTcpAttempt(Context& context, const std::vector<net::SocketAddress>& addresses, const Peer& peer,
                   const std::vector<std::string>& alpn, AttemptEvents& events)
      : TcpAttempt(context, peer, alpn, events), addresses_(addresses) {}

  void start() override {
    connecting_ = context_.outbound.open_tcp(
        addresses_, context_.connect_timeout,
        [this](Result<std::unique_ptr<net::ByteStream>> stream) { connected(std::move(stream)); },
        [this](const Error& why) { tell_address_failed(why); });
  }

  std::string_view name() const override { return "TCP"; }
  std::string target() const override {
    std::string all;
    for (const net::SocketAddress& address : addresses_)
      all.append(all.empty() ? "" : ", ").append(address.to_string());
    return all;
  }

  void abandon() override {
    connecting_.reset();
    TcpAttempt::abandon();
  }

 private:
  void connected(Result<std::unique_ptr<net::ByteStream>> stream) {
    auto done = std::move(connecting_);
    if (!stream) return end(&stream.error());
    reach_ = Reach::path;
    addresses_ = {(*stream)->net_path().remote};
    secure(std::move(*stream));
  }

  std::vector<net::SocketAddress> addresses_;  // once it is connected, the one that it is connected to
  std::unique_ptr<net::TcpConnecting> connecting_;
};

class TunnelledTcpAttempt final : public TcpAttempt {
 public:
  TunnelledTcpAttempt(Context& context, http::Connection& hop, const Peer& peer,
                      const std::vector<std::string>& alpn, AttemptEvents& events)
      : TcpAttempt(context, peer, alpn, events), hop_(hop) {}

  void start() override {
    http::Fields fields;
    if (!peer_.token.empty()) fields.add("proxy-authorization", "Bearer " + peer_.token);
    secure(masque::open_tcp_tunnel(hop_, peer_.target(), fields,
                                   {.opened = [this](const std::string& next_hop) { opened(next_hop); },
                                    .refused = [this](const Error& why) { tunnel_error_ = why; }}));
  }

  std::string_view name() const override { return "CONNECT"; }
  std::string target() const override { return peer_.target().to_string(); }

  const Error* tunnel_error() const override { return tunnel_error_ ? &*tunnel_error_ : nullptr; }

 protected:
  std::string connected_to(const http::ConnectionInfo&) const override { return next_hop_; }

 private:
  void opened(const std::string& next_hop) {
    reach_ = Reach::path;
    next_hop_ = next_hop;
  }

  std::string next_hop_;  // as the hop says; empty: it does not
  http::Connection& hop_;
};

}  // namespace

std::unique_ptr<Attempt> make_tcp_attempt(Context& context, const std::vector<net::SocketAddress>& addresses,
                                          const Peer& peer, const std::vector<std::string>& alpn,
                                          AttemptEvents& events) {
  return std::make_unique<DirectTcpAttempt>(context, addresses, peer, alpn, events);
}

std::unique_ptr<Attempt> make_tunnelled_tcp_attempt(Context& context, http::Connection& hop, const Peer& peer,
                                                    const std::vector<std::string>& alpn,
                                                    AttemptEvents& events) {
  return std::make_unique<TunnelledTcpAttempt>(context, hop, peer, alpn, events);
}

}  // namespace sallyport::dial
