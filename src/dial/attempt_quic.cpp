#include "dial/attempt.h"
#include "http/h3_connection.h"
#include "masque/udp_tunnel.h"
#include "net/udp_header.h"

#include <optional>
#include <utility>

namespace sallyport::dial {
namespace {

/// What a packet adds to the one datagram in it, at most: header with a connection ID of 20 bytes, tag,
/// frame, quarter stream ID, context ID.
constexpr std::size_t largest_overhead = 45;
/// And where that is an IP packet: its headers.
constexpr std::size_t largest_headers = net::udp_headers_size(true);

quic::ClientOptions quic_options(const Context& context, const Peer& peer, const Security& security) {
  quic::ClientOptions options;
  options.config = context.config;
  options.config.handshake_timeout = context.connect_timeout;
  options.config.first_datagram_size +=
      security.carries * largest_overhead + security.carries_in_ip * largest_headers;
  options.host = server_name(peer, security);
  options.origin = session_key(peer, security);
  options.trust = trust(context, security);
  options.certificate = security.certificate;
  options.sessions = sessions(context, security);
  options.early_data = context.early_data;
  options.title = peer.title;
  return options;
}

class QuicAttempt : public Dialled, protected http::ConnectionHandler {
 public:
  QuicAttempt(Context& context, Peer peer, Security security, DialEvents& events)
      : context_(context), peer_(std::move(peer)), security_(std::move(security)), events_(&events) {}

  void abandon() override {
    events_ = nullptr;
    if (connection_) connection_->close({ErrorKind::cancelled, "no longer needed"});
  }

  http::Connection& connection() override { return *connection_; }

  bool over_quic() const override { return true; }

  void measure(LinkFigures& figures) const override {
    figures.over_quic = true;
    if (!connection_) return;
    const quic::Connection& quic = *connection_->quic();
    figures.quic = quic.stats();
    figures.http = connection_->counters();
    if (!figures.quic_was_established() && !quic.can_send_early()) return;
    const http::ConnectionInfo& info = connection_->info();
    figures.version = http::to_string(info.version);
    figures.tls = info.tls;
    figures.cipher = info.cipher;
    figures.address = connected_to(info);
    // Quarter stream ID of the first request and context ID 0: one byte each.
    const std::size_t payload = quic.proven_datagram_payload();
    figures.path_budget = payload > 2 ? payload - 2 : 0;
  }

 protected:
  Reach reach() const {
    const quic::Connection* quic = connection_ ? connection_->quic() : nullptr;
    if (quic && quic->stats().last_received != Time{}) return Reach::answered;
    return has_path_ ? Reach::path : Reach::nothing;
  }

  virtual std::string connected_to(const http::ConnectionInfo& info) const {
    return info.path.remote.to_string();
  }

  void connect_over(net::DatagramPath& path) {
    auto made = http::make_h3_client(context_.quic, path, quic_options(context_, peer_, security_), *this,
                                     context_.limits);
    if (!made) return end(&made.error());
    connection_ = std::move(*made);
    if (security_.ready_early && events_ && connection_->quic()->can_send_early()) events_->on_ready(*this);
  }

  void end(const Error* why) {
    if (DialEvents* events = std::exchange(events_, nullptr)) events->on_ended(*this, why);
  }

  void on_ready(http::Connection&) override {
    if (events_) events_->on_ready(*this);
  }
  void on_connection_closed(http::Connection&, const Error* why) override { end(why); }

  Context& context_;
  const Peer peer_;
  const Security security_;
  DialEvents* events_;
  std::unique_ptr<http::H3Connection> connection_;
  bool has_path_ = false;
};

/// Over a path of its own: a UDP socket, or a flow in a CONNECT-IP tunnel.
class DirectQuicAttempt final : public QuicAttempt {
 public:
  DirectQuicAttempt(Context& context, Way way, Peer peer, Security security, DialEvents& events)
      : QuicAttempt(context, std::move(peer), std::move(security), events), way_(std::move(way)) {}
  ~DirectQuicAttempt() override { connection_.reset(); }  // before the path under it

  void start() override {
    auto path = way_.open();
    if (!path) return end(&path.error());
    path_ = std::move(*path);
    connect_over(*path_);
  }

  Tried tried() const override { return {.name = way_.name, .target = way_.target, .reach = reach()}; }

 private:
  const Way way_;
  std::unique_ptr<net::DatagramPath> path_;
};

/// Inside a CONNECT-UDP flow of a hop. The hop's connection is ready, so the inner handshake starts right
/// behind the request.
class TunnelledQuicAttempt final : public QuicAttempt {
 public:
  TunnelledQuicAttempt(Context& context, http::Connection& hop, const masque::ProxyTemplate& proxy,
                       const std::string& token, Peer peer, Security security, DialEvents& events)
      : QuicAttempt(context, std::move(peer), std::move(security), events),
        hop_(hop),
        proxy_(proxy),
        fields_(proxy_fields(token)) {}
  ~TunnelledQuicAttempt() override { connection_.reset(); }

  void start() override {
    masque::TunnelEvents events;
    events.opened = [this](const std::string& next_hop) {
      has_path_ = true;
      next_hop_ = next_hop;
    };
    events.closed = [this](const Error& why) { tunnel_error_ = why; };
    tunnel_ = std::make_unique<masque::UdpTunnel>(hop_, proxy_, peer_.target(), fields_, std::move(events));
    connect_over(*tunnel_);
  }

  Tried tried() const override {
    Tried tried{.name = "CONNECT-UDP", .target = peer_.target().to_string(), .reach = reach()};
    tried.tunnel_error = tunnel_error_;
    if (tunnel_) tried.tunnel_size = tunnel_->max_datagram_size();
    return tried;
  }

  void measure(LinkFigures& figures) const override {
    QuicAttempt::measure(figures);
    if (tunnel_) figures.tunnel = tunnel_->counters();
  }

 protected:
  std::string connected_to(const http::ConnectionInfo&) const override { return next_hop_; }

 private:
  http::Connection& hop_;
  const masque::ProxyTemplate& proxy_;
  const http::Fields fields_;
  std::unique_ptr<masque::UdpTunnel> tunnel_;
  std::optional<Error> tunnel_error_;
  std::string next_hop_;  // as the hop says; empty: it does not
};

}  // namespace

std::unique_ptr<Dialled> make_quic_attempt(Context& context, Way way, Peer peer, Security security,
                                           DialEvents& events) {
  return std::make_unique<DirectQuicAttempt>(context, std::move(way), std::move(peer), std::move(security),
                                             events);
}

std::unique_ptr<Dialled> make_tunnelled_quic_attempt(Context& context, http::Connection& hop,
                                                     const masque::ProxyTemplate& proxy,
                                                     const std::string& token, Peer peer, Security security,
                                                     DialEvents& events) {
  return std::make_unique<TunnelledQuicAttempt>(context, hop, proxy, token, std::move(peer),
                                                std::move(security), events);
}

}  // namespace sallyport::dial
