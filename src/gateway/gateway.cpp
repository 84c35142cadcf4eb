#include "gateway/gateway.h"

#include "base/file.h"
#include "base/log.h"
#include "gateway/addresses.h"
#include "gateway/process_figures.h"
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

constexpr Duration scrape_timeout = 5s;

unsigned available_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

/// Each tunnel and TCP connection takes a descriptor; the usual soft limit of 1,024 is for programs that use
/// select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Tunnels that there may be together: a quarter of the descriptors is left for the connections that they
/// come by, files and the operator.
std::size_t tunnels_that_fit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<std::size_t>(limit.rlim_cur) / 4 * 3;
}

/// What clients leave to the admin port, SIGHUP and name resolution.
unsigned descriptors_for_operator() {
  constexpr rlim_t most = 64;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<unsigned>(std::min(most, limit.rlim_cur / 4));
}

Result<tls::KeyPair> make_self_signed_pair(const Settings& settings) {
  auto pair = tls::make_self_signed(settings.self_signed);
  if (!pair) return pair;
  const auto fingerprint = tls::spki_fingerprint(pair->certificate_pem);
  if (!fingerprint) return std::unexpected(fingerprint.error());
  if (!settings.write_certificate.empty())
    if (auto written = write_file(settings.write_certificate, pair->certificate_pem, 0644, IfExists::replace);
        !written)
      return std::unexpected(std::move(written.error()));
  log_info("self-signed certificate for {}, SPKI fingerprint {}; clients trust it with {}",
           fmt::join(settings.self_signed, ", "), *fingerprint,
           settings.write_certificate.empty() ? std::string("-k, or with --ca and a file from --write-cert")
                                              : "--ca " + settings.write_certificate);
  return pair;
}

}  // namespace

/// One /metrics page in the making. Lives until the last worker answered.
struct Gateway::Scrape {
  Scrape(net::Timers& timers, std::function<void(std::string)> receiver)
      : done(std::move(receiver)), late(timers, [this](Time) { finish({}); }) {}
  void finish(const std::string& text) {
    late.disarm();
    if (done) std::exchange(done, nullptr)(text);
  }

  MetricSet figures;
  std::size_t missing = 0;
  std::function<void(std::string)> done;
  net::Timer late;
};

Gateway::Gateway() : grace_(loop_.timers(), [this](Time) { end(); }) {}

Gateway::~Gateway() {
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
}

Result<std::unique_ptr<Gateway>> Gateway::start(Settings settings) {
  std::unique_ptr<Gateway> gateway(new Gateway);
  gateway->loop_.on_signals({SIGINT, SIGTERM, SIGHUP, SIGUSR1},
                            [raw = gateway.get()](int signal) { raw->on_signal(signal); });
  if (auto done = gateway->set_up(std::move(settings)); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = gateway->start_workers(); !done) return std::unexpected(std::move(done.error()));
  gateway->announce();
  if (const auto& file = gateway->setup_->settings.ready_file; !file.empty()) {
    std::string lines;
    for (const auto& address : gateway->addresses()) lines += address.to_string() + "\n";
    if (auto done = write_file(file, lines, 0644, IfExists::replace); !done)
      return std::unexpected(std::move(done.error()));
  }
  return gateway;
}

Result<std::shared_ptr<const tls::ServerCredentials>> Gateway::load_credentials(
    const Settings& settings) const {
  auto pair = settings.self_signed.empty() ? tls::load_key_pair(settings.certificate_file, settings.key_file)
                                           : make_self_signed_pair(settings);
  if (!pair) return std::unexpected(std::move(pair.error()));
  return tls::ServerCredentials::make({std::move(*pair)});
}

Result<> Gateway::set_up(Settings settings) {
  auto setup = std::make_shared<WorkerSetup>();
  if (settings.workers == 0) settings.workers = available_cores();

  if (!settings.files.empty()) {
    auto folder = ServedFolder::open(settings.files);
    if (!folder) return std::unexpected(std::move(folder.error()));
    setup->folder = std::move(*folder);
  }
  auto addresses = claim_ports(loop_, settings.listen, settings.tcp);
  if (!addresses) return std::unexpected(std::move(addresses.error()));
  settings.listen = std::move(*addresses);
  auto credentials = load_credentials(settings);
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  setup->credentials = std::move(*credentials);
  if (settings.secret_file.empty()) {
    setup->secret = tls::ServerSecret::random();
  } else {
    auto secret = tls::ServerSecret::from_file(settings.secret_file);
    if (!secret) return std::unexpected(std::move(secret.error()));
    setup->secret = *secret;
  }
  if (!settings.key_log.empty()) {
    auto log = trace::open_key_log(settings.key_log);
    if (!log) return std::unexpected(std::move(log.error()));
    setup->key_log = std::move(*log);
  }
  if (!settings.qlog.empty()) {
    auto recorders = trace::make_qlog_factory({.folder = settings.qlog});
    if (!recorders) return std::unexpected(std::move(recorders.error()));
    setup->recorders = std::move(*recorders);
  }
  if (!settings.access_log.empty()) {
    auto log = AccessLog::open(settings.access_log, settings.access_format);
    if (!log) return std::unexpected(std::move(log.error()));
    setup->access_log = std::move(*log);
  }
  raise_descriptor_limit();
  setup->max_tunnels_all = tunnels_that_fit();
  setup->leave_descriptors = descriptors_for_operator();
  // Before the workers: they keep their clients away from the port that it gets.
  if (auto done = start_admin(settings); !done) return done;
  setup->hand_over = [this](unsigned worker, Stray stray) { workers_[worker]->post_stray(std::move(stray)); };
  setup->settings = std::move(settings);
  setup_ = std::move(setup);
  return {};
}

Result<> Gateway::start_workers() {
  // All exist before the first runs, as it may have something for the others; they bind one after the other,
  // as steering counts.
  for (unsigned i = 0; i < setup_->settings.workers; ++i)
    workers_.push_back(std::make_unique<WorkerThread>());
  for (unsigned i = 0; i < workers_.size(); ++i)
    if (auto started = workers_[i]->start(setup_, i); !started) return started;
  return {};
}

Result<> Gateway::start_admin(Settings& settings) {
  if (!settings.admin) return {};
  auto admin = Admin::listen(loop_, *settings.admin, *this);
  if (!admin) return std::unexpected(explain_bind("--admin", *settings.admin, "TCP", admin.error()));
  admin_ = std::move(*admin);
  settings.admin = admin_->local();
  if (!settings.admin->ip().is_loopback())
    log_warn("--admin {} can be reached from other machines, without encryption or a password",
             admin_->local().to_string());
  return {};
}

void Gateway::announce() const {
  for (const auto& address : addresses())
    log_info("listening on {} ({})", address.to_string(), setup_->settings.tcp ? "UDP and TCP" : "UDP");
  if (admin_) log_info("admin pages on http://{}/metrics", admin_->local().to_string());
}

void Gateway::run() {
  if (state_ != State::ended) loop_.run();
}

void Gateway::on_signal(int signal) {
  if (signal == SIGHUP) return reload();
  if (signal == SIGUSR1) return reopen();
  if (state_ == State::serving)
    drain();
  else
    end();
}

void Gateway::reload() {
  const auto& settings = setup_->settings;
  if (!settings.self_signed.empty())
    return log_info("SIGHUP: the certificate is self-signed, there is nothing to read again");
  const auto credentials = load_credentials(settings);
  if (!credentials)
    return log_error("SIGHUP: {}; the old certificate stays in use", credentials.error().message);
  for (const auto& worker : workers_)
    worker->post([credentials = *credentials](Worker& target) { target.set_credentials(credentials); });
  log_info("SIGHUP: {} is in use for new connections", settings.certificate_file);
}

void Gateway::reopen() {
  if (!setup_->access_log) return log_info("SIGUSR1: there is no --access-log to open again");
  setup_->access_log->reopen();
  log_info("SIGUSR1: the access log is opened again");
}

void Gateway::drain() {
  state_ = State::draining;
  const auto grace = setup_->settings.grace;
  log_info("ending: no new connections, up to {:g} s for those that are open; a second signal ends at once",
           std::chrono::duration<double>(grace).count());
  grace_.arm(loop_.timers().now() + grace);
  undrained_ = workers_.size();
  for (const auto& worker : workers_)
    worker->post([this](Worker& target) {
      target.drain([this] {
        loop_.post([this] {
          if (--undrained_ == 0) end();
        });
      });
    });
}

void Gateway::end() {
  if (std::exchange(state_, State::ended) == State::ended) return;
  grace_.disarm();
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
  loop_.stop();
}

void Gateway::make_metrics(std::function<void(std::string)> done) {
  auto scrape = std::make_shared<Scrape>(loop_.timers(), std::move(done));
  scrape->missing = workers_.size();
  scrape->late.arm(loop_.timers().now() + scrape_timeout);
  collect(scrape->figures);
  for (const auto& worker : workers_)
    worker->post([this, scrape](Worker& target) mutable {
      auto figures = std::make_shared<MetricSet>();
      target.collect(*figures);
      // Moved, so that the last one to let go of the scrape, and of its timer, is this loop's thread.
      loop_.post([scrape = std::move(scrape), figures] {
        scrape->figures.add(*figures);
        if (--scrape->missing == 0) scrape->finish(scrape->figures.to_text());
      });
    });
}

void Gateway::collect(MetricSet& out) const {
  out.gauge("build_info", "Which build this is; always 1.", 1, {{"version", SALLYPORT_VERSION}});
  out.gauge("draining", "1 from the first signal to end until the end.", state_ == State::serving ? 0 : 1);
  out.counter("qlog_events_dropped_total", "qlog events dropped because the disk was too slow or full.",
              static_cast<double>(trace::qlog_events_dropped()));
  out.counter("log_lines_lost_total", "Log lines that standard error did not take.",
              static_cast<double>(log_lines_lost()));
  if (setup_->access_log) {
    const auto lines = setup_->access_log->counters();
    constexpr std::string_view dropped = "Lines of the access log that were dropped.";
    out.counter("access_log_lines_total", "Lines written to the access log.",
                static_cast<double>(lines.written));
    out.counter("access_log_dropped_total", dropped, static_cast<double>(lines.dropped_queue),
                {{"reason", "queue"}});
    out.counter("access_log_dropped_total", dropped, static_cast<double>(lines.dropped_write),
                {{"reason", "write"}});
  }
  constexpr std::string_view strays = "Packets that reached the wrong worker.";
  for (const auto& worker : workers_) {
    out.counter("quic_strays_total", strays, static_cast<double>(worker->strays_taken()),
                {{"result", "handed_over"}});
    out.counter("quic_strays_total", strays, static_cast<double>(worker->strays_dropped()),
                {{"result", "dropped"}});
  }
  collect_process_figures(out);
}

}  // namespace sallyport::gateway
