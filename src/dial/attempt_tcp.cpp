#include "dial/attempt.h"
#include "http/tcp_connection.h"
#include "masque/tcp_tunnel.h"
#include "tls/stream.h"

#include <optional>
#include <utility>

namespace sallyport::dial {
namespace {

/// HTTP/2 or HTTP/1.1 over a ByteStream: over TLS as ALPN decided, in the clear as is asked for.
class TcpAttempt : public Dialled, private http::ConnectionHandler {
 public:
  TcpAttempt(Context& context, Peer peer, Security security, DialEvents& events)
      : context_(context), peer_(std::move(peer)), security_(std::move(security)), events_(&events) {}

  void abandon() override {
    events_ = nullptr;
    handshake_.reset();
    if (connection_) connection_->close({ErrorKind::cancelled, "no longer needed"});
  }

  http::Connection& connection() override { return *connection_; }
  bool over_quic() const override { return false; }

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
    const std::vector<std::string>& versions = security_.alpn;
    if (security_.layer == Security::Layer::plain)
      return speak(std::move(stream), !versions.empty() && versions.front() == "h2", {});
    tls::ClientOptions options;
    options.trust = trust(context_, security_);
    options.certificate = security_.certificate;
    options.host = server_name(peer_, security_);
    options.alpn = versions;
    options.sessions = sessions(context_, security_);
    options.origin = session_key(peer_, security_);
    options.key_log = context_.quic.key_log;
    options.timeout = context_.connect_timeout;
    handshake_ =
        tls::connect(context_.timers(), std::move(stream), options,
                     [this](Result<std::unique_ptr<tls::Stream>> made) { secured(std::move(made)); });
  }

  void end(const Error* why) {
    if (DialEvents* events = std::exchange(events_, nullptr)) events->on_ended(*this, why);
  }

  void tell_address_failed(const Error& why) {
    if (events_) events_->on_address_failed(tried(), why);
  }

  Context& context_;
  Peer peer_;
  const Security security_;
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
    if (!http2 && security_.alpn == std::vector<std::string>{"h2"}) {
      const Error error{ErrorKind::protocol, "the server did not negotiate HTTP/2 (ALPN h2)"};
      return end(&error);
    }
    const http::StreamSecurity told{
        .server_name = info.server_name, .tls = info.version, .cipher = info.cipher};
    speak(std::move(*stream), http2, told);
  }

  void speak(std::unique_ptr<net::ByteStream> stream, bool http2, const http::StreamSecurity& told) {
    const auto make = http2 ? http::make_h2_client : http::make_h1_client;
    connection_ = make(context_.timers(), std::move(stream), told, *this, context_.limits);
  }

  void on_ready(http::Connection&) override {
    if (events_) events_->on_ready(*this);
  }
  void on_connection_closed(http::Connection&, const Error* why) override { end(why); }

  DialEvents* events_;
  std::unique_ptr<tls::Handshake> handshake_;
  std::unique_ptr<http::Connection> connection_;
};

class DirectTcpAttempt final : public TcpAttempt {
 public:
  using TcpAttempt::TcpAttempt;

  void start() override {
    connecting_ = context_.outbound.open_tcp(
        peer_.addresses, context_.connect_timeout,
        [this](Result<std::unique_ptr<net::ByteStream>> stream) { connected(std::move(stream)); },
        [this](const Error& why) { tell_address_failed(why); });
  }

  Tried tried() const override {
    std::string all;
    for (const net::SocketAddress& address : peer_.addresses)
      all.append(all.empty() ? "" : ", ").append(address.to_string());
    return {.name = "TCP", .target = std::move(all), .reach = reach_};
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
    peer_.addresses = {(*stream)->net_path().remote};  // of all those, the one that it is connected to
    secure(std::move(*stream));
  }

  std::unique_ptr<net::TcpConnecting> connecting_;
};

class TunnelledTcpAttempt final : public TcpAttempt {
 public:
  TunnelledTcpAttempt(Context& context, http::Connection& hop, std::string token, Peer peer,
                      Security security, DialEvents& events)
      : TcpAttempt(context, std::move(peer), std::move(security), events),
        hop_(hop),
        token_(std::move(token)) {}

  void start() override {
    http::Fields fields;
    if (!token_.empty()) fields.add("proxy-authorization", "Bearer " + token_);
    secure(masque::open_tcp_tunnel(hop_, peer_.target(), fields,
                                   {.opened = [this](const std::string& next_hop) { opened(next_hop); },
                                    .closed = [this](const Error& why) { tunnel_error_ = why; }}));
  }

  Tried tried() const override {
    Tried tried{.name = "CONNECT", .target = peer_.target().to_string(), .reach = reach_};
    tried.tunnel_error = tunnel_error_;
    return tried;
  }

 protected:
  std::string connected_to(const http::ConnectionInfo&) const override { return next_hop_; }

 private:
  void opened(const std::string& next_hop) {
    reach_ = Reach::path;
    next_hop_ = next_hop;
  }

  std::string next_hop_;  // as the hop says; empty: it does not
  http::Connection& hop_;
  const std::string token_;
};

}  // namespace

std::unique_ptr<Dialled> make_tcp_attempt(Context& context, Peer peer, Security security,
                                          DialEvents& events) {
  return std::make_unique<DirectTcpAttempt>(context, std::move(peer), std::move(security), events);
}

std::unique_ptr<Dialled> make_tunnelled_tcp_attempt(Context& context, http::Connection& hop,
                                                    const std::string& token, Peer peer, Security security,
                                                    DialEvents& events) {
  return std::make_unique<TunnelledTcpAttempt>(context, hop, token, std::move(peer), std::move(security),
                                               events);
}

}  // namespace sallyport::dial
