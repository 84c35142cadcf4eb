#include "gateway/worker.h"

#include "base/log.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

constexpr Duration sampling_interval = 10s;
/// Open requests of one connection where there are CONNECT-IP tunnels: all of `sallyport tun --devices 256`,
/// and some more.
constexpr std::size_t streams_with_ip = 300;

/// Whether the socket of `open` serves `wanted` as well. Where the system chooses the port, there may be
/// several at one address.
bool continues(const config::Listener& open, const config::Listener& wanted) {
  return open.address == wanted.address && (open.address.port() != 0 || open.id == wanted.id) &&
         open.quic == wanted.quic && open.clear == wanted.clear;
}

}  // namespace

std::string WorkerSetup::pseudonym() const {
  const auto key = secret.derive("pseudonym in Via");
  return fmt::format("sallyport-{:02x}{:02x}{:02x}{:02x}-{}", key[0], key[1], key[2], key[3], server_id);
}

Worker::Worker(net::Inbound& inbound, net::Outbound& outbound, net::Timers& timers,
               std::shared_ptr<const WorkerSetup> setup, unsigned number, WorkerExtras extras)
    : inbound_(inbound),
      outbound_(outbound),
      timers_(timers),
      setup_(std::move(setup)),
      number_(number),
      extras_(extras),
      sampling_(timers, [this](Time now) { sample(now); }),
      bury_(timers, [this](Time) { bury(); }) {
  router_.set_content(extras_.content);
  if (setup_->access_log) access_log_ = setup_->access_log->for_worker();
  if (log_enabled(LogLevel::debug)) connection_log_ = std::make_unique<http::ConnectionLog>();
  sampling_.arm(timers_.now() + sampling_interval);
}

Worker::~Worker() = default;

Result<> Worker::apply(std::shared_ptr<const config::Configuration> next) {
  if (configuration_ && *configuration_ == *next) return {};
  // First the steps that can fail.
  const ListenerOptions options = listener_options(*next);
  Opened opened;
  for (const config::Listener& wanted : next->listeners) {
    if (is_draining_) break;  // nothing new is served any more
    const auto open = std::ranges::find_if(
        listeners_, [&](const auto& listener) { return continues(listener->configuration(), wanted); });
    if (open == listeners_.end()) {
      if (auto done = listen(wanted, options, opened.listeners); !done) return done;
      continue;
    }
    auto tcp = (*open)->open_tcp(wanted, options);
    if (!tcp) return std::unexpected(std::move(tcp.error()));
    if (*tcp) opened.tcp.emplace(open->get(), std::move(*tcp));
  }
  apply_masque(*next);
  apply_routes(*next);
  apply_files(*next);
  apply_listeners(*next, options, std::move(opened));
  configuration_ = std::move(next);
  return {};
}

void Worker::apply_listeners(const config::Configuration& next, const ListenerOptions& options,
                             Opened opened) {
  if (is_draining_) return;  // no listener takes new connections any more
  for (auto at = listeners_.begin(); at != listeners_.end();) {
    const auto listener = at++;
    const auto wanted = std::ranges::find_if(next.listeners, [&](const config::Listener& each) {
      return continues((*listener)->configuration(), each);
    });
    if (wanted != next.listeners.end())
      (*listener)->apply(*wanted, options, std::move(opened.tcp[listener->get()]));
    else
      retire(listener);
  }
  listeners_.splice(listeners_.end(), opened.listeners);
}

void Worker::retire(Listeners::iterator listener) {
  leaving_.splice(leaving_.end(), listeners_, listener);
  (*listener)->drain([this, listener] {
    gone_.push_back(std::move(*listener));
    leaving_.erase(listener);
    bury_.request();
    report_drained();
  });
}

void Worker::bury() {
  // Counters never go back.
  for (const auto& listener : gone_) {
    const QuicTotals totals = listener->quic_totals();
    collect_connections(past_, *listener, totals);
    collect_quic(past_, *listener, totals);
  }
  past_.forget_gauges();
  gone_.clear();
}

void Worker::apply_masque(const config::Configuration& next) {
  if (!next.masque) return router_.set_proxy(nullptr);
  auto options = proxy_options(*next.masque);
  apply_ip(options.policy);
  if (proxy_) {
    proxy_->apply(std::move(options));
  } else {
    proxy_ = std::make_unique<masque::Proxy>(timers_, outbound_, std::move(options));
    if (ip_switch_) proxy_->serve_ip(setup_->ip->network(), *ip_switch_);
  }
  router_.set_proxy(proxy_.get());
}

void Worker::apply_ip(const masque::TargetPolicy& policy) {
  if (!setup_->ip || extras_.packets == nullptr) return;
  const masque::IpNetwork& network = *setup_->ip->network();
  masque::IpSwitchOptions options{
      .policy = policy, .between_clients = network.between_clients, .own_v4 = {}, .own_v6 = {}};
  for (const auto& [address, length] : network.pool->own_addresses()) {
    auto& own = address.is_v4() ? options.own_v4 : options.own_v6;
    if (!own) own = address;
  }
  if (ip_switch_) return ip_switch_->set_options(std::move(options));
  ip_switch_ = std::make_unique<masque::IpSwitch>(timers_, *extras_.packets, std::move(options),
                                                  setup_->ip->coalesce());
  if (setup_->workers > 1) ip_switch_->set_elsewhere(*this);
}

void Worker::tell(const net::IpPrefix& prefix, bool here) {
  setup_->ip->tell(number_, prefix, here);
}

void Worker::hand_over(unsigned worker, const net::Packet& packet) {
  setup_->ip->packets().send(number_, worker, packet);
}

void Worker::note_prefix(const net::IpPrefix& prefix, unsigned other, bool there) {
  if (ip_switch_) ip_switch_->note(prefix, other, there);
}

std::vector<masque::IpTunnelFigures> Worker::ip_tunnels() const {
  return ip_switch_ ? ip_switch_->tunnels() : std::vector<masque::IpTunnelFigures>{};
}

bool Worker::end_ip_tunnel(const net::IpAddress& address) {
  return ip_switch_ && ip_switch_->end_tunnel(address, {ErrorKind::denied, "disconnected by the operator"});
}

void Worker::receive_packets() {
  setup_->ip->packets().receive(number_, [this](net::Packet& packet) {
    if (ip_switch_) ip_switch_->take(packet);
  });
}

void Worker::apply_routes(const config::Configuration& next) {
  if (next.routes.empty() && !routes_) return;
  if (!routes_) {
    dial::Context context{.outbound = outbound_,
                          .quic = {timers_, extras_.random, setup_->recorders.get(), setup_->key_log},
                          .config = next.quic,
                          .limits = next.limits,
                          .trust = {}};
    // Connections without requests are closed above QUIC.
    context.config.silence_timeout = next.limits.idle_timeout;
    context.config.idle_timeout = std::max(next.limits.idle_timeout, ingress::websocket_idle) + 10s;
    routes_ = std::make_unique<ingress::ReverseProxy>(std::move(context), replies_, setup_->pseudonym());
  }
  const auto policy_of = [](const config::Configuration& configuration) {
    return ingress::BackendPolicy{.trust = configuration.backend_trust,
                                  .certificate = configuration.backend_certificate,
                                  .client_certificate_chain = configuration.client_certificate_chain};
  };
  if (!configuration_ || configuration_->routes != next.routes ||
      policy_of(*configuration_) != policy_of(next))
    routes_->apply(next.routes, policy_of(next));
  router_.set_routes(next.routes.empty() ? nullptr : routes_.get());
}

void Worker::apply_files(const config::Configuration& next) {
  if (extras_.content != nullptr) return;
  if (!next.files || !next.files->opened) return router_.set_content(nullptr);
  const config::Files& wanted = *next.files;
  if (!files_)
    files_ = std::make_unique<files::FileServer>(
        wanted.opened, replies_,
        files::FileServerOptions{.load = {.etag = wanted.etag}, .reader = extras_.file_reader});
  else if (configuration_->files != next.files)
    files_->set_folder(wanted.opened, wanted.etag);
  router_.set_content(files_.get());
}

masque::ProxyOptions Worker::proxy_options(const config::Masque& masque) {
  masque::ProxyOptions options{.protocols = masque.protocols};
  options.policy = masque::TargetPolicy(
      masque.allow, [this](const net::IpAddress& address) { return outbound_.is_own(address); },
      masque.never);
  options.policy.allow_ports(masque.allow_ports);
  options.tokens = masque.tokens;
  options.limits = {.tunnels = masque.max_tunnels, .tunnels_all = setup_->max_tunnels_all};
  options.group = setup_->proxies;
  options.udp_idle = masque.udp_idle;
  options.tcp_idle = masque.tcp_idle;
  return options;
}

ListenerOptions Worker::listener_options(const config::Configuration& configuration) {
  quic::ServerOptions quic;
  quic.config = configuration.quic;
  quic.config.idle_timeout = quic.config.silence_timeout = configuration.limits.idle_timeout;
  if (!configuration.routes.empty())  // so may WebSockets
    quic.config.idle_timeout = std::max(quic.config.idle_timeout, ingress::websocket_idle + 10s);
  if (configuration.masque)  // tunnels may be idle for longer than a connection without requests
    quic.config.idle_timeout =
        masque::quic_idle_timeout(proxy_options(*configuration.masque), quic.config.idle_timeout);
  http::Limits limits = configuration.limits;
  if (configuration.masque && configuration.masque->protocols.contains(masque::Protocol::ip)) {
    limits.max_concurrent_streams = std::max(limits.max_concurrent_streams, streams_with_ip);
    quic.config.peer_bidirectional_streams =
        std::max<std::uint64_t>(quic.config.peer_bidirectional_streams, streams_with_ip);
  }
  quic.secret = setup_->secret;
  quic.owner = {setup_->server_id, static_cast<std::uint8_t>(number_)};
  quic.retry = configuration.retry;
  quic.watcher = connection_log_.get();
  quic.replay_record = setup_->replay_record;
  quic.used_tokens = setup_->used_tokens;
  quic.wall_clock = extras_.wall_clock;
  return {.environment = {timers_, extras_.random, setup_->recorders.get(), setup_->key_log},
          .quic = std::move(quic),
          .tls = {.alpn = {"h2", "http/1.1"},
                  .ticket_key = setup_->secret.derive("tls tickets over tcp"),
                  .key_log = setup_->key_log},
          .limits = limits,
          .reuse_port = setup_->workers > 1,
          .leave_descriptors = setup_->leave_descriptors};
}

Result<> Worker::listen(const config::Listener& what, const ListenerOptions& options, Listeners& to) {
  auto made =
      Listener::open({inbound_, timers_, router_, access_log_.get(), connection_log_.get()}, what, options);
  if (!made) return std::unexpected(std::move(made.error()));
  QuicFront* const quic = (*made)->quic();
  if (quic != nullptr && setup_->strays) {
    quic->endpoint().set_stray_handler([this, address = what.address](const quic::ConnectionIdOwner& owner,
                                                                      const net::NetPath& path,
                                                                      Bytes datagram, net::Ecn ecn) {
      if (owner.server != setup_->server_id || owner.worker >= setup_->workers) return;
      setup_->strays->send(number_, owner.worker, {address, path, datagram, ecn});
    });
  }
  // The last to bind makes the group complete.
  if (quic != nullptr && setup_->workers > 1 && number_ + 1 == setup_->workers) {
    using Layout = quic::ConnectionIdLayout;
    const auto steered = quic->socket().steer({.workers = setup_->workers,
                                               .worker_offset = Layout::worker_offset,
                                               .connection_id_length = Layout::length});
    if (!steered)
      log_warn("packets of other workers' connections are forwarded in user space: {}",
               steered.error().message);
  }
  to.push_back(std::move(*made));
  return {};
}

Listener* Worker::find(const net::SocketAddress& address) const {
  for (const auto* all : {&listeners_, &leaving_})
    for (const auto& listener : *all)
      if (listener->configuration().address == address) return listener.get();
  return nullptr;
}

void Worker::receive_strays() {
  setup_->strays->receive(number_, [this](const Stray& stray) {
    const net::DatagramRun run{stray.datagram, stray.datagram.size(), stray.ecn};
    Listener* const listener = find(stray.listener);
    if (listener != nullptr && listener->quic() != nullptr)
      listener->quic()->endpoint().on_datagrams(stray.path, run, timers_.now());
  });
}

void Worker::drain(std::function<void()> drained) {
  is_draining_ = true;
  drained_ = std::move(drained);
  draining_ = listeners_.size();
  for (const auto& listener : listeners_)
    listener->drain([this] {
      --draining_;
      report_drained();
    });
  report_drained();
}

void Worker::report_drained() {
  if (draining_ == 0 && leaving_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void Worker::close_all() {
  for (auto* all : {&listeners_, &leaving_})
    for (const auto& listener : *all) listener->close_all();
}

void Worker::sample(Time now) {
  for (const auto& listener : listeners_)
    if (listener->quic() != nullptr) listener->quic()->sample();
  sampling_.arm(now + sampling_interval);
}

}  // namespace sallyport::gateway
