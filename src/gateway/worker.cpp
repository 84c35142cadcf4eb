#include "gateway/worker.h"

#include "base/log.h"
#include "http/alt_svc.h"
#include "net/steering.h"

#include <chrono>
#include <utility>

namespace sallyport::gateway {
namespace {

constexpr Duration sampling_interval = 10s;
constexpr std::uint64_t h3_no_error = 0x100;  // RFC 9114 §8.1

}  // namespace

Result<std::unique_ptr<Worker>> Worker::make(net::EventLoop& loop, std::shared_ptr<const WorkerSetup> setup,
                                             unsigned number) {
  std::unique_ptr<Worker> worker(new Worker(loop, std::move(setup), number));
  for (const auto& address : worker->setup_->settings.listen)
    if (auto done = worker->listen(address); !done) return std::unexpected(std::move(done.error()));
  return worker;
}

Worker::Worker(net::EventLoop& loop, std::shared_ptr<const WorkerSetup> setup, unsigned number)
    : loop_(loop),
      setup_(std::move(setup)),
      number_(number),
      credentials_(setup_->credentials),
      quic_idle_timeout_(setup_->settings.idle_timeout),
      sampling_(loop.timers(), [this](Time now) { sample(now); }) {
  const auto& settings = setup_->settings;
  if (settings.masque_udp || settings.masque_tcp) {
    // Thousands of flows may have a socket each: smaller buffers than the listener's, still a few
    // milliseconds at 10 Gbit/s.
    outbound_ = net::make_kernel_outbound(loop, {.udp_receive_buffer = 2 * 1024 * 1024,
                                                 .udp_send_buffer = 2 * 1024 * 1024,
                                                 .leave_descriptors = setup_->leave_descriptors});
    masque::ProxyOptions options{.udp = settings.masque_udp, .tcp = settings.masque_tcp};
    options.policy = masque::TargetPolicy(
        settings.allow, [this](const net::IpAddress& address) { return own_addresses_.contains(address); },
        settings.admin);
    options.policy.allow_ports(settings.allow_ports);
    options.tokens = setup_->tokens;
    options.limits = {.tunnels = settings.max_tunnels, .tunnels_all = setup_->max_tunnels_all};
    options.group = setup_->proxies;
    options.udp_idle = settings.udp_tunnel_idle;
    options.tcp_idle = settings.tcp_tunnel_idle;
    quic_idle_timeout_ = masque::quic_idle_timeout(options, quic_idle_timeout_);
    proxy_ = std::make_unique<masque::Proxy>(loop.timers(), *outbound_, std::move(options));
  }
  if (setup_->folder) {
    file_reader_ = net::make_file_reader(loop);
    files_ = std::make_unique<files::FileServer>(
        setup_->folder, replies_,
        files::FileServerOptions{.load = {.etag = settings.etag}, .reader = file_reader_.get()});
  }
  dispatcher_ = std::make_unique<Dispatcher>(replies_, files_.get(), proxy_.get(), credentials_);
  if (setup_->access_log) access_log_ = setup_->access_log->for_worker();
  if (log_enabled(LogLevel::debug)) connection_log_ = std::make_unique<ConnectionLog>();
  sampling_.arm(loop.timers().now() + sampling_interval);
}

http::Limits Worker::limits() const {
  http::Limits limits;
  limits.idle_timeout = setup_->settings.idle_timeout;
  return limits;
}

quic::ServerOptions Worker::quic_options() const {
  const auto& settings = setup_->settings;
  quic::ServerOptions options;
  options.config.congestion_control = settings.congestion_control;
  options.config.idle_timeout = quic_idle_timeout_;
  options.config.silence_timeout = settings.idle_timeout;
  options.credentials = credentials_;
  options.secret = setup_->secret;
  options.owner = {settings.server_id, static_cast<std::uint8_t>(number_)};
  options.retry = settings.retry;
  options.watcher = connection_log_.get();
  options.replay_record = setup_->replay_record;
  options.used_tokens = setup_->used_tokens;
  options.wall_clock = std::chrono::system_clock::now;
  return options;
}

tls::ServerOptions Worker::tls_options() const {
  return {.credentials = credentials_,
          .alpn = {"h2", "http/1.1"},
          .ticket_key = setup_->secret.derive("tls tickets over tcp"),
          .key_log = setup_->key_log};
}

Result<> Worker::listen(const net::SocketAddress& address) {
  const auto& settings = setup_->settings;
  const bool group = settings.workers > 1;
  const std::uint16_t http3_port = settings.alt_svc_port != 0 ? settings.alt_svc_port : address.port();
  auto listener = std::make_unique<Listener>(
      *dispatcher_, http::format_alt_svc({.protocol = "h3", .port = http3_port}), access_log_.get());

  const quic::Environment environment{loop_.timers(), system_random(), setup_->recorders.get(),
                                      setup_->key_log};
  auto quic = QuicFront::listen(loop_, address, {.reuse_port = group, .packet_info = true}, environment,
                                quic_options(), listener->quic_entrance, limits());
  if (!quic) return std::unexpected(std::move(quic.error()));
  listener->quic = std::move(*quic);
  listener->quic->endpoint().set_stray_handler(
      [this, at = listeners_.size()](const quic::ConnectionIdOwner& owner, const net::NetPath& path,
                                     Bytes datagram, net::Ecn ecn) {
        if (owner.server != setup_->settings.server_id || owner.worker >= setup_->settings.workers) return;
        setup_->hand_over(owner.worker, {at, path, {datagram.begin(), datagram.end()}, ecn});
      });
  // The last to bind makes the group complete.
  if (group && number_ + 1 == settings.workers) {
    using Layout = quic::ConnectionIdLayout;
    const auto steered = net::attach_connection_id_steering(listener->quic->socket().fd(), settings.workers,
                                                            Layout::worker_offset, Layout::length);
    if (!steered)
      log_warn("packets of other workers' connections are forwarded in user space: {}",
               steered.error().message);
  }
  if (settings.tcp) {
    auto tcp = TcpFront::listen(loop_, address, listener->tcp_entrance,
                                {.tls = tls_options(),
                                 .limits = limits(),
                                 .reuse_port = group,
                                 .leave_descriptors = setup_->leave_descriptors,
                                 .log = connection_log_.get()});
    if (!tcp) return std::unexpected(std::move(tcp.error()));
    listener->tcp = std::move(*tcp);
  }
  listeners_.push_back(std::move(listener));
  return {};
}

void Worker::set_credentials(const std::shared_ptr<const tls::ServerCredentials>& credentials) {
  credentials_ = credentials;
  dispatcher_->set_credentials(credentials);
  for (const auto& listener : listeners_) {
    listener->quic->endpoint().set_credentials(credentials);
    if (listener->tcp) listener->tcp->set_credentials(credentials);
  }
}

void Worker::set_tokens(std::shared_ptr<const masque::TokenTable> tokens) {
  if (proxy_) proxy_->set_tokens(std::move(tokens));
}

void Worker::set_folder(std::shared_ptr<const files::ServedFolder> folder) {
  if (files_) files_->set_folder(std::move(folder));
}

void Worker::receive_stray(const Stray& stray) {
  const net::DatagramRun run{stray.datagram, stray.datagram.size(), stray.ecn};
  listeners_.at(stray.listener)->quic->endpoint().on_datagrams(stray.path, run, loop_.timers().now());
}

void Worker::drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  const auto one_less = [this] {
    if (--draining_ == 0) drained_();
  };
  for (const auto& listener : listeners_) draining_ += listener->tcp ? 2 : 1;
  for (const auto& listener : listeners_) {
    listener->quic->drain(one_less);
    if (listener->tcp) listener->tcp->drain(one_less);
  }
}

void Worker::close_all() {
  for (const auto& listener : listeners_) {
    listener->quic->endpoint().close_all(h3_no_error);
    if (!listener->tcp) continue;
    listener->tcp->for_each([](http::Connection& connection) {
      connection.close({ErrorKind::closed, "the server is shutting down"});
    });
  }
}

void Worker::sample(Time now) {
  for (const auto& listener : listeners_) listener->quic->sample();
  sampling_.arm(now + sampling_interval);
}

}  // namespace sallyport::gateway
