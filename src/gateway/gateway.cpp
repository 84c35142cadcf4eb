#include "gateway/gateway.h"

#include "admin/process_figures.h"
#include "base/log.h"
#include "base/of_flag.h"
#include "base/warn_of_readers.h"
#include "gateway/addresses.h"
#include "gateway/admin_access.h"
#include "gateway/ask_workers.h"
#include "gateway/exposed_secrets.h"
#include "gateway/lease_page.h"
#include "gateway/process_check.h"
#include "net/descriptor_limit.h"
#include "trace/qlog.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>

namespace sallyport::gateway {
namespace {

constexpr Duration look_interval = 1s;  // between checks of the admin port's token file
constexpr Duration hangup_time = 1s;    // in which a terminal is lost after its shell ended

std::string_view name_of_end(int signal) {
  if (signal == SIGHUP) return "SIGHUP of a closed terminal";
  return signal == SIGINT ? "SIGINT" : "SIGTERM";
}

unsigned available_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

Result<> check_settings(const Settings& settings) {
  if (auto done = config::check_flags(settings); !done) return done;
  if (auto done = check_ip(settings); !done) return done;
  return check_admin(settings);
}

/// The maximum of tunnels in all: a quarter of the descriptors is reserved for client connections, files and
/// the operator.
std::size_t tunnels_that_fit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<std::size_t>(limit.rlim_cur) / 4 * 3;
}

/// Descriptors reserved for the admin port, SIGHUP and name resolution.
unsigned descriptors_for_operator() {
  constexpr rlim_t most = 64;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<unsigned>(std::min(most, limit.rlim_cur / 4));
}

}  // namespace

Gateway::Gateway(Settings settings)
    : terminal_look_(loop_.timers(), [this](Time) { end_with_terminal(); }),
      settings_(std::move(settings)),
      ready_file_(settings_.ready_file),
      inbound_(net::make_kernel_inbound(loop_)),
      grace_(loop_.timers(),
             [this](Time) { end("the grace period is over (--grace), what was open is closed"); }),
      look_(loop_.timers(), [this](Time now) { look(now); }) {}

Gateway::~Gateway() {
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
}

Result<std::unique_ptr<Gateway>> Gateway::start(Settings settings) {
  std::unique_ptr<Gateway> gateway(new Gateway(std::move(settings)));
  gateway->loop_.on_signals({SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2},
                            [raw = gateway.get()](int signal) { raw->on_signal(signal); });
  if (auto done = gateway->set_up(); !done) return std::unexpected(std::move(done.error()));
  if (auto done = gateway->start_workers(); !done) return std::unexpected(std::move(done.error()));
  if (auto done = gateway->drop_privileges(); !done) return std::unexpected(std::move(done.error()));
  for (const auto& worker : gateway->workers_) worker->serve();
  gateway->source_->watch(gateway->loop_);
  gateway->look_.arm(gateway->loop_.timers().now() + look_interval);
  if (auto done = gateway->source_->hand_out_certificate(); !done)
    return std::unexpected(std::move(done.error()));
  gateway->announce();
  if (auto done = gateway->ready_file_.write(gateway->addresses()); !done)
    return std::unexpected(std::move(done.error()));
  return gateway;
}

Result<std::string> Gateway::check(const Settings& settings) {
  if (auto done = check_settings(settings); !done) return std::unexpected(std::move(done.error()));
  const auto user = find_user(settings);
  if (!user) return std::unexpected(user.error());
  std::string text;
  auto done = as_user(*user, [&]() -> Result<> {
    auto source = ConfigurationSource::open(settings, nullptr);
    if (!source) return std::unexpected(std::move(source.error()));
    text = config::to_text(*(*source)->current());
    return {};
  });
  if (!done) return std::unexpected(std::move(done.error()));
  const auto process = check_process(settings, *user);
  if (!process) return std::unexpected(process.error());
  return text + *process;
}

Result<> Gateway::set_up() {
  auto setup = std::make_shared<WorkerSetup>();
  if (auto done = check_settings(settings_); !done) return done;
  auto user = find_user(settings_);
  if (!user) return std::unexpected(std::move(user.error()));
  user_ = *std::move(user);
  if (user_) forbid_new_privileges();  // before there are threads
  if (auto done = as_user(user_, [this] { return read_files(); }); !done) return done;
  auto addresses = claim_ports(loop_, {{"--listen", settings_.listen, settings_.quic, settings_.tcp},
                                       {"--listen-http", settings_.listen_http, false, true}});
  if (!addresses) return std::unexpected(std::move(addresses.error()));
  addresses_ = *addresses;
  source_->set_addresses(std::move(*addresses));
  // Not before the ports are ours: another gateway that has them has its file, too.
  if (auto done = as_user(user_, [this] { return ready_file_.clear(); }); !done) return done;
  if (settings_.workers == 0) settings_.workers = available_cores();
  setup->workers = settings_.workers;
  setup->server_id = settings_.server_id;
  if (!settings_.secret_file.empty()) {
    auto secret = tls::ServerSecret::from_file(settings_.secret_file);
    if (!secret) return of_flag("--secret-file", secret.error());
    setup->secret = *secret;
    warn_of_readers("--secret-file", settings_.secret_file);
  }
  if (auto done = as_user(user_, [&] { return open_traces(*setup); }); !done) return done;
  const auto open_log = [&] { return open_access_log(*setup); };
  // Standard output is whoever's it is, and stays open.
  if (auto done = settings_.access_log == "-" ? open_log() : as_user(user_, open_log); !done) return done;
  for (const std::string& warning : exposed_secrets(settings_)) log_warn("{}", warning);
  net::raise_descriptor_limit();
  setup->max_tunnels_all = tunnels_that_fit();
  setup->leave_descriptors = descriptors_for_operator();
  if (setup->workers > 1) setup->strays = std::make_shared<StrayExchange>(setup->workers);
  if (settings_.masque.contains(masque::Protocol::ip)) {
    auto ip = IpService::open(settings_.ip, setup->workers);
    if (!ip) return std::unexpected(std::move(ip.error()));
    setup->ip = std::move(*ip);
  }
  setup_ = std::move(setup);
  // Before the workers: they refuse tunnels to the admin port.
  return start_admin();
}

Result<> Gateway::read_files() {
  auto source = ConfigurationSource::open(
      settings_, [this](const std::shared_ptr<const config::Configuration>& next) { apply(next, 0); });
  if (!source) return std::unexpected(std::move(source.error()));
  source_ = std::move(*source);
  auto admin = admin::Service::open(admin_options(settings_));
  if (!admin) return std::unexpected(std::move(admin.error()));
  admin_ = std::move(*admin);
  return {};
}

Result<> Gateway::open_traces(WorkerSetup& setup) {
  if (!settings_.key_log.empty()) {
    auto log = trace::open_key_log(settings_.key_log);
    if (!log) return of_flag("--keylog", log.error());
    setup.key_log = std::move(*log);
  }
  if (!settings_.qlog.empty()) {
    auto recorders = trace::make_qlog_factory({.folder = settings_.qlog});
    if (!recorders) return of_flag("--qlog", recorders.error());
    setup.recorders = std::move(*recorders);
  }
  return {};
}

Result<> Gateway::open_access_log(WorkerSetup& setup) {
  if (settings_.access_log.empty()) return {};
  auto log = AccessLog::open(settings_.access_log, settings_.access_format);
  if (!log) return std::unexpected(std::move(log.error()));
  setup.access_log = std::move(*log);
  return {};
}

Result<> Gateway::start_workers() {
  // All exist before the first runs, because it may pass strays to the others. They bind one after the other,
  // in the order of steering.
  for (unsigned i = 0; i < setup_->workers; ++i) {
    workers_.push_back(std::make_unique<WorkerThread>());
    WorkerThread* const thread = workers_.back().get();
    if (setup_->strays)
      setup_->strays->set_wake(i,
                               [thread] { thread->post([](Worker& worker) { worker.receive_strays(); }); });
    if (setup_->ip)
      setup_->ip->packets().set_wake(
          i, [thread] { thread->post([](Worker& worker) { worker.receive_packets(); }); });
  }
  if (setup_->ip)
    setup_->ip->set_tell([this](unsigned from, const net::IpPrefix& prefix, bool here) {
      for (unsigned i = 0; i < workers_.size(); ++i)
        if (i != from) workers_[i]->post([=](Worker& worker) { worker.note_prefix(prefix, from, here); });
    });
  for (unsigned i = 0; i < workers_.size(); ++i)
    if (auto started = workers_[i]->start(setup_, i, source_->current()); !started) return started;
  return {};
}

Result<> Gateway::start_admin() {
  const auto listen = [this] { return admin_->listen(*inbound_, loop_.timers(), *this); };
  // A Unix socket is a file of the user's; a port may be one that root alone takes.
  if (auto done = settings_.admin_socket.empty() ? listen() : as_user(user_, listen); !done) return done;
  settings_.admin = admin_->address();
  if (settings_.admin) source_->set_admin(*settings_.admin);
  return {};
}

Result<> Gateway::drop_privileges() {
  if (!user_) return {};
  if (auto done = user_->become(); !done) return of_flag("--user", done.error());
  return {};
}

void Gateway::announce() const {
  for (const config::Listener& listener : source_->current()->listeners)
    log_info("listening on {} ({})", listener.address.to_string(), config::transports_of(listener));
  if (setup_->ip)
    log_info("CONNECT-IP clients reach the network through {}{}", setup_->ip->device(),
             settings_.ip.nat ? ", with this machine's address (--ip-nat)" : "");
  if (const auto& tokens = source_->tokens())
    log_info("proxy clients need a bearer token of {}, tokens: {}", tokens->path(), tokens->tokens()->size());
  else if (settings_.open_proxy)
    log_warn("open proxy: everybody who can reach it may use it (--open-proxy)");
  admin_->announce();
  if (user_) log_info("running as {}, without privileges", user_->to_string());
}

void Gateway::run() {
  if (state_ != State::ended) loop_.run();
}

void Gateway::on_signal(int signal) {
  if (signal == SIGHUP) return on_hangup();
  if (signal == SIGUSR1) return reopen();
  if (signal == SIGUSR2)
    return log_info("SIGUSR2 is ignored: SIGHUP reloads, SIGUSR1 reopens the access log");
  if (copies_.is_copy(signal, loop_.timers().now())) return;
  if (state_ == State::serving)
    drain(signal);
  else
    end("second signal");
}

void Gateway::on_hangup() {
  if (terminal_.is_gone()) return end_with_terminal();
  // A shell that ends sends SIGHUP to its children before it releases its terminal.
  if (terminal_.matters()) terminal_look_.arm(loop_.timers().now() + hangup_time);
  source_->reload("SIGHUP: ", loop_.timers().now());
  admin_->reload("SIGHUP: ", loop_.timers().now());
}

void Gateway::end_with_terminal() {
  // A closed terminal sends SIGHUP twice, from the shell and from the kernel: not a second request to end.
  if (terminal_.is_gone() && state_ == State::serving) drain(SIGHUP);
}

void Gateway::apply(const std::shared_ptr<const config::Configuration>& configuration, std::size_t first) {
  // A newer Configuration arrived meanwhile and will be applied to this worker.
  if (first >= workers_.size() || configuration != source_->current()) return;
  workers_[first]->post([this, configuration, first](Worker& worker) {
    if (auto done = worker.apply(configuration); !done)
      log_error("the old configuration stays in use in worker {}: {}", first, done.error().message);
    loop_.post([this, configuration, first] { apply(configuration, first + 1); });
  });
}

void Gateway::look(Time now) {
  // Whoever left the shell (disown, logout without huponexit) wants it to go on: a SIGHUP later is a reload.
  const bool gone = state_ == State::serving && terminal_.is_gone();
  if (std::exchange(terminal_was_gone_, gone) && gone) terminal_.forget();
  setup_->proxies->failures->forget(now);
  admin_->look(now);
  look_.arm(now + look_interval);
}

void Gateway::reopen() {
  if (!setup_->access_log) return log_info("SIGUSR1: there is no --access-log to reopen");
  setup_->access_log->reopen();
}

void Gateway::drain(int signal) {
  state_ = State::draining;
  end_signal_ = name_of_end(signal);
  const auto grace = settings_.grace;
  log_info(
      "{}: graceful shutdown, no new connections, up to {:g} s for open requests and tunnels; a second "
      "signal ends at once",
      end_signal_, in_seconds(grace));
  grace_.arm(loop_.timers().now() + grace);
  undrained_ = workers_.size();
  for (const auto& worker : workers_)
    worker->post([this](Worker& target) {
      target.drain([this] {
        loop_.post([this] {
          if (--undrained_ == 0) end("drained");
        });
      });
    });
}

void Gateway::end(std::string_view why) {
  if (std::exchange(state_, State::ended) == State::ended) return;
  loop_.keep_signals_from_default();  // one more must not cut off the logs that are completed now
  grace_.disarm();
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
  log_info("ended by {}: {}", end_signal_, why);
  loop_.stop();
}

void Gateway::make_metrics(std::function<void(std::string)> done) {
  auto own = std::make_shared<admin::MetricSet>();
  collect(*own);
  ask_workers<admin::MetricSet>(
      loop_, workers_,
      [](const Worker& worker) {
        admin::MetricSet figures;
        worker.collect(figures);
        return figures;
      },
      [own, done = std::move(done)](const std::optional<std::vector<admin::MetricSet>>& answers) {
        if (!answers) return done({});
        for (const admin::MetricSet& figures : *answers) own->add(figures);
        done(own->to_text());
      });
}

void Gateway::make_leases(bool json, std::function<void(std::string)> done) {
  using Tunnels = std::vector<masque::IpTunnelFigures>;
  ask_workers<Tunnels>(
      loop_, workers_, [](const Worker& worker) { return worker.ip_tunnels(); },
      [this, json, done = std::move(done)](std::optional<std::vector<Tunnels>> answers) {
        if (!answers) return done({});
        Leases leases{.open = *std::move(answers), .remembered = {}};
        if (setup_->ip) leases.remembered = setup_->ip->network()->pool->remembered();
        const WallTime now = std::chrono::system_clock::now();
        done(json ? leases_as_json(leases, now) : leases_as_text(leases, now));
      });
}

void Gateway::disconnect(const net::IpAddress& address, std::function<void(std::optional<bool>)> done) {
  ask_workers<std::uint8_t>(
      loop_, workers_,
      [address](Worker& worker) { return static_cast<std::uint8_t>(worker.end_ip_tunnel(address)); },
      [address, done = std::move(done)](const std::optional<std::vector<std::uint8_t>>& answers) {
        if (!answers) return done({});
        const bool found = std::ranges::find(*answers, 1) != answers->end();
        if (found)
          log_info("the CONNECT-IP tunnel of {} was disconnected by the operator", address.to_string());
        done(found);
      });
}

void Gateway::collect(admin::MetricSet& out) const {
  out.gauge("build_info", "Which build this is; always 1.", 1, {{"version", SALLYPORT_VERSION}});
  out.gauge("draining", "1 during graceful shutdown.", state_ == State::serving ? 0 : 1);
  out.counter("qlog_events_dropped_total", "qlog events dropped because the disk was too slow or full.",
              static_cast<double>(trace::qlog_events_dropped()));
  out.counter("log_lines_lost_total", "Log lines dropped because standard error was blocked.",
              static_cast<double>(log_lines_lost()));
  if (setup_->access_log) {
    const auto lines = setup_->access_log->counters();
    constexpr std::string_view dropped = "Access log lines dropped.";
    out.counter("access_log_lines_total", "Lines written to the access log.",
                static_cast<double>(lines.written));
    out.counter("access_log_dropped_total", dropped, static_cast<double>(lines.dropped_queue),
                {{"reason", "queue"}});
    out.counter("access_log_dropped_total", dropped, static_cast<double>(lines.dropped_write),
                {{"reason", "write"}});
  }
  constexpr std::string_view strays = "QUIC packets received by a worker that does not own their connection.";
  for (unsigned i = 0; i < setup_->workers; ++i) {
    const auto counters = setup_->strays ? setup_->strays->counters(i) : StrayExchange::Counters{};
    out.counter("quic_strays_total", strays, static_cast<double>(counters.taken),
                {{"result", "handed_over"}});
    out.counter("quic_strays_total", strays, static_cast<double>(counters.dropped), {{"result", "dropped"}});
  }
  for (unsigned i = 0; setup_->ip && i < setup_->workers; ++i) {
    const auto counters = setup_->ip->packets().counters(i);
    constexpr std::string_view passed = "IP packets that came to another worker than their tunnel's.";
    out.counter("masque_ip_strays_total", passed, static_cast<double>(counters.taken),
                {{"result", "handed_over"}});
    out.counter("masque_ip_strays_total", passed, static_cast<double>(counters.dropped),
                {{"result", "dropped"}});
  }
  if (setup_->ip)
    if (const auto unread = setup_->ip->dropped_unread())
      out.counter("masque_ip_device_dropped_total", "Packets dropped at the TUN device.",
                  static_cast<double>(*unread), {{"reason", "receive_queue"}});
  source_->collect(out);
  if (source_->tokens())
    out.gauge("masque_failing_clients", "Client addresses with recent failed authentications.",
              static_cast<double>(setup_->proxies->failures->size()));
  admin_->collect(out);
  admin::collect_process_figures(out);
}

}  // namespace sallyport::gateway
