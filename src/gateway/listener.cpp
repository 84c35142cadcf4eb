#include "gateway/listener.h"

#include "http/alt_svc.h"

#include <optional>
#include <utility>

namespace sallyport::gateway {
namespace {

constexpr std::uint64_t h3_no_error = 0x100;  // RFC 9114 §8.1

std::string alt_svc_of(const config::Listener& what, const net::SocketAddress& address) {
  return http::format_alt_svc(
      {.protocol = "h3", .port = what.alt_svc_port != 0 ? what.alt_svc_port : address.port()});
}

}  // namespace

Listener::Listener(const ListenerWorld& world, config::Listener what)
    : world_(world),
      configuration_(std::move(what)),
      quic_entrance_(world.router, {}, world.exchange_log),
      tcp_entrance_(world.router, {}, world.exchange_log) {}

Result<std::unique_ptr<Listener>> Listener::open(const ListenerWorld& world, const config::Listener& what,
                                                 const ListenerOptions& options) {
  std::unique_ptr<Listener> made(new Listener(world, what));
  made->configuration_.tcp = false;  // not yet
  if (what.quic) {
    quic::ServerOptions server = options.quic;
    server.credentials = what.credentials;
    auto quic = QuicFront::listen(
        world.inbound, what.address, {.reuse_port = options.reuse_port, .packet_info = true},
        options.environment, std::move(server), made->quic_entrance_, options.limits);
    if (!quic) return std::unexpected(std::move(quic.error()));
    made->quic_ = std::move(*quic);
  }
  auto tcp = made->open_tcp(what, options);
  if (!tcp) return std::unexpected(std::move(tcp.error()));
  made->apply(what, options, std::move(*tcp));
  return made;
}

Result<std::unique_ptr<http::TcpFront>> Listener::open_tcp(const config::Listener& what,
                                                           const ListenerOptions& options) {
  if (!what.tcp || configuration_.tcp) return nullptr;
  const std::optional<tls::ServerOptions> tls =
      what.clear ? std::nullopt : std::optional<tls::ServerOptions>(options.tls);
  return http::TcpFront::listen(world_.inbound, world_.timers, quic_ ? address() : what.address,
                                tcp_entrance_,
                                {.tls = tls,
                                 .limits = options.limits,
                                 .proxy_protocol_from = what.proxy_protocol_from,
                                 .reuse_port = options.reuse_port,
                                 .leave_descriptors = options.leave_descriptors,
                                 // A client that is gone is noticed as late as over QUIC.
                                 .silence_timeout = options.quic.config.idle_timeout,
                                 .log = world_.connection_log});
}

void Listener::apply(const config::Listener& what, const ListenerOptions& options,
                     std::unique_ptr<http::TcpFront> opened) {
  if (configuration_.tcp && !what.tcp) tcp_.front()->drain({});
  if (opened) tcp_.insert(tcp_.begin(), std::move(opened));
  configuration_ = what;
  if (quic_) {
    quic_->endpoint().set_credentials(what.credentials);
    quic_->endpoint().set_config(options.quic.config, options.quic.retry);
    quic_->set_limits(options.limits);
  }
  if (!what.tcp) return;
  tcp_.front()->set_limits(options.limits);
  tcp_.front()->set_proxy_protocol_from(what.proxy_protocol_from);
  if (what.clear) return tcp_entrance_.set_clear(what.redirect_to);
  tcp_.front()->set_credentials(what.credentials);
  if (quic_) tcp_entrance_.set_alt_svc(alt_svc_of(what, address()));
}

void Listener::drain(std::function<void()> drained) {
  draining_ = (quic_ ? 1 : 0) + tcp_.size();
  const auto one_less = [this, drained = std::move(drained)] {
    if (--draining_ == 0) drained();
  };
  if (quic_) quic_->drain(one_less);
  for (const auto& tcp : tcp_) tcp->drain(one_less);
}

void Listener::close_all() {
  if (quic_) quic_->endpoint().close_all(h3_no_error);
  for (const auto& tcp : tcp_)
    tcp->for_each([](http::Connection& connection) {
      connection.close({ErrorKind::closed, "the server is shutting down"});
    });
}

}  // namespace sallyport::gateway
