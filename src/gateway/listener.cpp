#include "gateway/listener.h"

#include "http/alt_svc.h"

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
    : configuration_(std::move(what)),
      quic_entrance_(world.router, {}, world.exchange_log),
      tcp_entrance_(world.router, {}, world.exchange_log) {}

Result<std::unique_ptr<Listener>> Listener::open(const ListenerWorld& world, const config::Listener& what,
                                                 ListenerOptions options) {
  std::unique_ptr<Listener> made(new Listener(world, what));
  options.quic.credentials = options.tls.credentials = what.credentials;
  auto quic =
      QuicFront::listen(world.inbound, what.address, {.reuse_port = options.reuse_port, .packet_info = true},
                        options.environment, std::move(options.quic), made->quic_entrance_, options.limits);
  if (!quic) return std::unexpected(std::move(quic.error()));
  made->quic_ = std::move(*quic);
  made->tcp_entrance_.set_alt_svc(alt_svc_of(what, made->address()));
  if (!what.tcp) return made;
  auto tcp = TcpFront::listen(world.inbound, world.timers, made->address(), made->tcp_entrance_,
                              {.tls = std::move(options.tls),
                               .limits = options.limits,
                               .reuse_port = options.reuse_port,
                               .leave_descriptors = options.leave_descriptors,
                               .log = world.connection_log});
  if (!tcp) return std::unexpected(std::move(tcp.error()));
  made->tcp_ = std::move(*tcp);
  return made;
}

void Listener::apply(const config::Listener& what) {
  configuration_ = what;
  quic_->endpoint().set_credentials(what.credentials);
  if (!tcp_) return;
  tcp_->set_credentials(what.credentials);
  tcp_entrance_.set_alt_svc(alt_svc_of(what, address()));
}

void Listener::drain(std::function<void()> drained) {
  draining_ = tcp_ ? 2 : 1;
  const auto one_less = [this, drained = std::move(drained)] {
    if (--draining_ == 0) drained();
  };
  quic_->drain(one_less);
  if (tcp_) tcp_->drain(one_less);
}

void Listener::close_all() {
  quic_->endpoint().close_all(h3_no_error);
  if (!tcp_) return;
  tcp_->for_each([](http::Connection& connection) {
    connection.close({ErrorKind::closed, "the server is shutting down"});
  });
}

}  // namespace sallyport::gateway
