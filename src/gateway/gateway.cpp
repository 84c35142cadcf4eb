#include "gateway/gateway.h"

#include "base/file.h"
#include "base/log.h"
#include "gateway/access.h"
#include "gateway/addresses.h"
#include "gateway/exposed_secrets.h"
#include "gateway/process_figures.h"
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

constexpr Duration scrape_timeout = 5s;
constexpr Duration look_interval = 1s;  // at token files
constexpr Duration hangup_time = 1s;    // in which a terminal follows the shell that it belonged to

std::string_view name_of_end(int signal) {
  if (signal == SIGHUP) return "SIGHUP of a closed terminal";
  return signal == SIGINT ? "SIGINT" : "SIGTERM";
}

unsigned available_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
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

Gateway::Gateway()
    : terminal_look_(loop_.timers(), [this](Time) { end_with_terminal(); }),
      grace_(loop_.timers(),
             [this](Time) { end("the grace period is over (--grace), what was open is closed"); }),
      look_(loop_.timers(), [this](Time now) { look_at_token_files(now); }) {}

Gateway::~Gateway() {
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
}

Result<std::unique_ptr<Gateway>> Gateway::start(Settings settings) {
  std::unique_ptr<Gateway> gateway(new Gateway);
  gateway->loop_.on_signals({SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2},
                            [raw = gateway.get()](int signal) { raw->on_signal(signal); });
  if (auto done = gateway->set_up(std::move(settings)); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = gateway->start_workers(); !done) return std::unexpected(std::move(done.error()));
  gateway->watch_folder();
  gateway->announce();
  if (const auto& file = gateway->setup_->settings.ready_file; !file.empty()) {
    std::string lines;
    for (const auto& address : gateway->addresses()) lines += address.to_string() + "\n";
    if (auto done = write_file(file, lines, 0644, IfExists::replace); !done)
      return fail(done.error().kind, "--ready-file: " + done.error().message);
  }
  return gateway;
}

Result<> Gateway::set_up(Settings settings) {
  auto setup = std::make_shared<WorkerSetup>();
  if (auto allowed = check_access(settings); !allowed) return allowed;
  if (auto done = open_token_files(settings); !done) return done;
  if (tokens_) setup->tokens = tokens_->tokens();
  if (settings.workers == 0) settings.workers = available_cores();

  if (!settings.files.empty()) {
    auto folder = ServedFolder::open(settings.files);
    if (!folder) return std::unexpected(std::move(folder.error()));
    setup->folder = std::move(*folder);
  }
  auto addresses = claim_ports(loop_, settings.listen, settings.tcp);
  if (!addresses) return std::unexpected(std::move(addresses.error()));
  settings.listen = std::move(*addresses);
  certificates_ = std::make_unique<Certificates>(settings);
  if (auto done = certificates_->load(); !done) return done;
  certificates_->warn_of_dates();
  setup->credentials = certificates_->credentials();
  if (settings.secret_file.empty()) {
    setup->secret = tls::ServerSecret::random();
  } else {
    auto secret = tls::ServerSecret::from_file(settings.secret_file);
    if (!secret) return fail(secret.error().kind, "--secret-file: " + secret.error().message);
    setup->secret = *secret;
  }
  if (!settings.key_log.empty()) {
    auto log = trace::open_key_log(settings.key_log);
    if (!log) return fail(log.error().kind, "--keylog: " + log.error().message);
    setup->key_log = std::move(*log);
  }
  if (!settings.qlog.empty()) {
    auto recorders = trace::make_qlog_factory({.folder = settings.qlog});
    if (!recorders) return fail(recorders.error().kind, "--qlog: " + recorders.error().message);
    setup->recorders = std::move(*recorders);
  }
  if (!settings.access_log.empty()) {
    auto log = AccessLog::open(settings.access_log, settings.access_format);
    if (!log) return std::unexpected(std::move(log.error()));
    setup->access_log = std::move(*log);
  }
  for (const std::string& warning : exposed_secrets(settings)) log_warn("{}", warning);
  net::raise_descriptor_limit();
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

Result<> Gateway::open_token_files(const Settings& settings) {
  const auto open = [](std::string_view flag, const std::string& path,
                       std::optional<TokenFile>& to) -> Result<> {
    if (path.empty()) return {};
    auto file = TokenFile::open(std::string(flag), path);
    if (!file) return std::unexpected(std::move(file.error()));
    to = std::move(*file);
    return {};
  };
  if (auto done = open("--token-file", settings.token_file, tokens_); !done) return done;
  if (auto done = open("--admin-token-file", settings.admin_token_file, admin_tokens_); !done) return done;
  if (tokens_ || admin_tokens_) look_.arm(loop_.timers().now() + look_interval);
  return {};
}

Result<> Gateway::start_admin(Settings& settings) {
  auto tokens = admin_tokens_ ? admin_tokens_->tokens() : nullptr;
  if (!settings.admin_socket.empty()) {
    auto admin = Admin::listen_unix(loop_, settings.admin_socket, *this, std::move(tokens));
    if (!admin) return fail(admin.error().kind, "--admin unix: " + admin.error().message);
    admin_ = std::move(*admin);
  } else if (settings.admin) {
    auto admin = Admin::listen(loop_, *settings.admin, *this, std::move(tokens));
    if (!admin) return std::unexpected(explain_bind("--admin", *settings.admin, "TCP", admin.error()));
    admin_ = std::move(*admin);
    settings.admin = admin_->local();
  }
  return {};
}

void Gateway::announce() const {
  if (admin_ && setup_->settings.admin && !setup_->settings.admin->ip().is_loopback())
    log_warn(
        "--admin {} is not encrypted: anyone on the network path can read its tokens; put TLS in front of it",
        setup_->settings.admin->to_string());
  for (const auto& address : addresses())
    log_info("listening on {} ({})", address.to_string(), setup_->settings.tcp ? "UDP and TCP" : "UDP");
  const auto& settings = setup_->settings;
  if (tokens_)
    log_info("proxy clients need a bearer token of {}, tokens: {}", tokens_->path(),
             tokens_->tokens()->size());
  else if (settings.open_proxy)
    log_warn("open proxy: everybody who can reach it may use it (--open-proxy)");
  if (!settings.admin_socket.empty())
    log_info("admin pages on unix:{}", settings.admin_socket);
  else if (admin_)
    log_info("admin pages on http://{}/metrics", admin_->local().to_string());
}

void Gateway::run() {
  if (state_ != State::ended) loop_.run();
}

void Gateway::on_signal(int signal) {
  if (signal == SIGHUP) return on_hangup();
  if (signal == SIGUSR1) return reopen();
  if (signal == SIGUSR2)
    return log_info("SIGUSR2 is of no use here: SIGHUP reloads, SIGUSR1 opens the access log again");
  if (state_ == State::serving)
    drain(signal);
  else
    end("second signal");
}

void Gateway::on_hangup() {
  if (terminal_.is_gone()) return end_with_terminal();
  // A shell that ends tells those that it started, and gives its terminal back after that.
  if (terminal_.matters()) terminal_look_.arm(loop_.timers().now() + hangup_time);
  reload_certificate();
  if (folder_) folder_->open_again();
  reload(tokens_, "SIGHUP: ");
  reload(admin_tokens_, "SIGHUP: ");
}

void Gateway::end_with_terminal() {
  // A closed terminal is told of twice, by the shell and by the kernel: nobody grew impatient.
  if (terminal_.is_gone() && state_ == State::serving) drain(SIGHUP);
}

void Gateway::reload(std::optional<TokenFile>& file, std::string_view why) {
  if (!file) return;
  std::string& said = &file == &admin_tokens_ ? admin_tokens_said_ : tokens_said_;
  if (auto done = file->read(); !done) {
    // What cannot be read is looked at again every second.
    static LogLimit limit(30s);
    const bool known = said == done.error().message;
    said = std::move(done.error().message);
    if (why.empty() && known && !limit.allow(loop_.timers().now())) return;
    return log_error("{}{}; the old tokens stay in use", why, said);
  }
  said.clear();
  const auto tokens = file->tokens();
  if (tokens->size() == 0)
    log_warn("{}{} was reloaded and has no token: every client is refused", why, file->path());
  else
    log_info("{}{} was reloaded, tokens: {}", why, file->path(), tokens->size());
  if (&file == &admin_tokens_) return admin_->set_tokens(tokens);
  for (const auto& worker : workers_) worker->post([tokens](Worker& target) { target.set_tokens(tokens); });
}

void Gateway::look_at_token_files(Time now) {
  setup_->proxies->failures->forget(now);
  for (auto* file : {&tokens_, &admin_tokens_})
    if (*file && (*file)->has_changed()) reload(*file, "");
  look_.arm(now + look_interval);
}

void Gateway::watch_folder() {
  if (!setup_->folder) return;
  folder_ = std::make_unique<FolderWatch>(
      net::make_file_reader(loop_), loop_.timers(), setup_->settings.files, setup_->folder,
      [this](const std::shared_ptr<const ServedFolder>& folder) {
        for (const auto& worker : workers_)
          worker->post([folder](Worker& target) { target.set_folder(folder); });
      });
}

void Gateway::reload_certificate() {
  const auto& settings = setup_->settings;
  if (!settings.self_signed.empty()) {
    certificates_->warn_of_dates();
    return log_info("SIGHUP: the certificate is self-signed, there is no file to reload");
  }
  if (const auto done = certificates_->load(); !done)
    return log_error("SIGHUP: {}; the old certificate stays in use", done.error().message);
  certificates_->warn_of_dates();
  for (const auto& worker : workers_)
    worker->post([credentials = certificates_->credentials()](Worker& target) {
      target.set_credentials(credentials);
    });
  log_info("SIGHUP: {} was reloaded, for new connections", settings.certificate_file);
}

void Gateway::reopen() {
  if (!setup_->access_log) return log_info("SIGUSR1: there is no --access-log to reopen");
  setup_->access_log->reopen();
}

void Gateway::drain(int signal) {
  state_ = State::draining;
  end_signal_ = name_of_end(signal);
  const auto grace = setup_->settings.grace;
  log_info(
      "{}: graceful shutdown, no new connections, up to {:g} s for open requests and tunnels; a second "
      "signal ends at once",
      end_signal_, std::chrono::duration<double>(grace).count());
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
  grace_.disarm();
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
  log_info("ended by {}: {}", end_signal_, why);
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
  out.gauge("draining", "1 during graceful shutdown.", state_ == State::serving ? 0 : 1);
  out.counter("qlog_events_dropped_total", "qlog events dropped because the disk was too slow or full.",
              static_cast<double>(trace::qlog_events_dropped()));
  out.counter("log_lines_lost_total", "Log lines dropped because standard error was blocked.",
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
  constexpr std::string_view strays =
      "QUIC packets that the kernel gave to another worker than their connection's.";
  for (const auto& worker : workers_) {
    out.counter("quic_strays_total", strays, static_cast<double>(worker->strays_taken()),
                {{"result", "handed_over"}});
    out.counter("quic_strays_total", strays, static_cast<double>(worker->strays_dropped()),
                {{"result", "dropped"}});
  }
  certificates_->collect(out);
  const auto count_reads = [&out](const std::optional<TokenFile>& file, std::string_view flag) {
    if (!file) return;
    constexpr std::string_view reads = "Reloads of token files.";
    out.counter("token_file_reads_total", reads, static_cast<double>(file->counters().read),
                {{"file", flag}, {"result", "used"}});
    out.counter("token_file_reads_total", reads, static_cast<double>(file->counters().failed),
                {{"file", flag}, {"result", "failed"}});
  };
  if (folder_) {
    constexpr std::string_view opened = "Times that --files was found to be another folder, or none.";
    out.counter("files_folder_changes_total", opened, static_cast<double>(folder_->counters().used),
                {{"result", "used"}});
    out.counter("files_folder_changes_total", opened, static_cast<double>(folder_->counters().failed),
                {{"result", "failed"}});
  }
  count_reads(tokens_, "token-file");
  count_reads(admin_tokens_, "admin-token-file");
  if (tokens_)
    out.gauge("masque_failing_clients", "Client addresses with recent failed authentications.",
              static_cast<double>(setup_->proxies->failures->size()));
  if (admin_tokens_) {
    constexpr std::string_view refused = "Requests for /metrics refused: authentication failed.";
    const auto& counters = admin_->refused();
    out.counter("admin_refused_total", refused, static_cast<double>(counters.no_token),
                {{"reason", "no_token"}});
    out.counter("admin_refused_total", refused, static_cast<double>(counters.wrong_token),
                {{"reason", "wrong_token"}});
    out.counter("admin_refused_total", refused, static_cast<double>(counters.throttled),
                {{"reason", "throttled"}});
  }
  collect_process_figures(out);
}

}  // namespace sallyport::gateway
