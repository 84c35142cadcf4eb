#include "cli/tun.h"

#include "admin/service.h"
#include "base/log.h"
#include "cli/admin_flags.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "client/progress.h"
#include "client/tun.h"
#include "client/tun_events.h"
#include "client/tun_metrics.h"
#include "client/tun_report.h"
#include "client/udp_addresses.h"
#include "net/inbound.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

struct TunFlags {
  ClientFlags client;
  std::vector<std::string> routes{"0.0.0.0/0", "::/0"}, excludes, addresses;
  std::string device, mode = "ip", admin, admin_token_file;
  std::size_t devices = 1, mtu = 0;
  double json_interval = 10;
  bool json = false;
};

/// What is seen of a Tun while it runs: the status line, the events and the admin pages.
class TunView {
 public:
  TunView(net::EventLoop& loop, const TunFlags& flags)
      : timers_(loop.timers()),
        quiet_(flags.client.quiet),
        json_(flags.json),
        interval_(seconds(flags.json_interval)),
        inbound_(net::make_kernel_inbound(loop)),
        events_([](const std::string& line) {
          print(stdout, line);
          std::fflush(stdout);
        }),
        bar_(
            timers_, [this](double, std::size_t width) { return status_line(width); }, 1s),
        figures_(timers_,
                 [this](Time now) {
                   events_.figures(tun_->figures());
                   figures_.arm(now + interval_);
                 }),
        look_(timers_, [this](Time now) {
          admin_->look(now);
          look_.arm(now + 1s);
        }) {}

  /// Before start(): the admin pages' options.
  Result<> open_admin(const TunFlags& flags) {
    auto options = read_admin(flags.admin);
    if (!options) return std::unexpected(std::move(options.error()));
    options->token_file = flags.admin_token_file;
    auto admin = admin::Service::open(std::move(*options));
    if (!admin) return std::unexpected(std::move(admin.error()));
    admin_ = std::move(*admin);
    return {};
  }

  Result<> start(client::Tun& tun) {
    tun_ = &tun;
    metrics_.emplace(tun, *admin_);
    if (auto done = admin_->listen(*inbound_, timers_, *metrics_); !done) return done;
    admin_->announce();
    if (admin_->address())
      note(fmt::format("admin pages on http://{}/metrics", admin_->address()->to_string()));
    const Time now = timers_.now();
    look_.arm(now + 1s);
    if (json_) figures_.arm(now + interval_);
    if (!quiet_) bar_.start();
    return {};
  }

  void note(std::string_view sentence) {
    bar_.erase();
    say(sentence);
  }
  client::TunWatcher* watcher() { return json_ ? &events_ : nullptr; }

  /// The last words, but for the error's.
  void end(const Result<>& outcome) {
    bar_.stop();
    const client::TunFigures figures = tun_->figures();
    if (json_) {
      events_.figures(figures);
      events_.closed(outcome ? std::string() : outcome.error().message, figures);
    }
    if (!quiet_ && figures.open_for > Duration::zero()) say(client::tun_summary(figures));
  }

 private:
  std::string status_line(std::size_t width) {
    client::TunFigures now = tun_->figures();
    const Time time = timers_.now();
    std::string line =
        client::tun_status_line(now, shown_, drawn_ == Time{} ? 0 : in_seconds(time - drawn_), width);
    shown_ = std::move(now);
    drawn_ = time;
    return line;
  }

  net::Timers& timers_;
  const bool quiet_, json_;
  const Duration interval_;
  client::Tun* tun_ = nullptr;
  std::unique_ptr<net::Inbound> inbound_;
  std::optional<client::TunMetrics> metrics_;  // outlives the pages, whose source it is
  std::unique_ptr<admin::Service> admin_;
  client::TunEvents events_;
  client::TunFigures shown_;  // by the status line, at `drawn_`
  Time drawn_{};
  client::ProgressBar bar_;
  net::Timer figures_, look_;
};

/// Of the device, which in mode ip the proxy assigns.
Result<> read_addresses(const TunFlags& flags, client::TunOptions& options) {
  if (options.mode != client::TunMode::udp) {
    if (flags.addresses.empty()) return {};
    return fail(ErrorKind::usage,
                "--address is for --mode udp; the addresses of the other mode are the proxy's to assign");
  }
  if (flags.devices > 1)
    return fail(ErrorKind::usage, "--devices is for --mode ip; in mode udp one device has all flows");
  std::vector<net::IpAddress> chosen;
  chosen.reserve(flags.addresses.size());
  for (const std::string& text : flags.addresses) {
    const auto address = net::IpAddress::parse(text);
    if (!address) return fail(ErrorKind::usage, fmt::format("--address '{}' is no IP address", text));
    chosen.push_back(*address);
  }
  auto addresses = client::udp_device_addresses(chosen);
  if (!addresses) return std::unexpected(std::move(addresses.error()));
  options.addresses = std::move(*addresses);
  return {};
}

/// The last hop is what the chain leads to: takes it out of `chain`, with its token.
Result<> take_last_hop(ClientFlags& chain, client::TunOptions& options) {
  auto proxy = hop_of(chain.via.back(),
                      options.mode == client::TunMode::udp ? masque::Protocol::udp : masque::Protocol::ip);
  if (!proxy) return std::unexpected(std::move(proxy.error()));
  options.proxy = std::move(*proxy);
  const std::size_t hops = chain.via.size(), tokens = chain.token_files.size();
  if (tokens > 1 && tokens != hops)
    return fail(ErrorKind::usage,
                fmt::format("{} --token-file and {} --via; give one --token-file for all hops, or one for "
                            "each, in the order of --via",
                            tokens, hops));
  if (tokens > 0) {
    auto token = read_token(chain.token_files.back());
    if (!token) return std::unexpected(std::move(token.error()));
    options.token = std::move(*token);
  }
  if (auto checked = check_hop_modes(chain); !checked) return std::unexpected(std::move(checked.error()));
  if (!chain.hop_modes.empty() && hops > 1) {
    // What is left has a last hop as well.
    if (chain.hop_modes.back() == "ip") chain.mode = "ip";
    if (chain.hop_modes.size() > 1 || hops == 2) chain.hop_modes.pop_back();
  }
  chain.via.pop_back();
  if (tokens > 1 || hops == 1) {
    if (!chain.token_files.empty()) chain.token_files.pop_back();
  }
  chain.http = chain.hop_http;
  if (chain.via.empty()) chain.hop_http = "h3";  // there is none left that it would be about
  return {};
}

Result<int> run_tun(const TunFlags& flags, ExitStatus& exit) {
  client::TunOptions options;
  if (auto read = read_prefixes("--route", flags.routes, options.routes); !read)
    return std::unexpected(std::move(read.error()));
  if (auto read = read_prefixes("--exclude", flags.excludes, options.excludes); !read)
    return std::unexpected(std::move(read.error()));
  options.mode = flags.mode == "udp" ? client::TunMode::udp : client::TunMode::ip;
  if (auto read = read_addresses(flags, options); !read) return std::unexpected(std::move(read.error()));
  options.device = flags.device;
  options.devices = flags.devices;
  options.mtu = flags.mtu;
  ClientFlags chain = flags.client;
  if (auto taken = take_last_hop(chain, options); !taken) return std::unexpected(std::move(taken.error()));
  set_log_level(LogLevel::warn);
  auto session = ClientSession::make(chain);
  if (!session) return std::unexpected(std::move(session.error()));
  options.chain = (*session)->chain();
  options.chain.leads_to_hop = true;
  // A tunnel may have nothing to carry for hours; PINGs tell that its hops are there.
  if (!flags.client.keep_alive) (*session)->context().config.keep_alive = 10s;

  net::EventLoop& loop = (*session)->loop();
  TunView view(loop, flags);
  if (auto opened = view.open_admin(flags); !opened) return std::unexpected(std::move(opened.error()));
  options.note = [&view](std::string_view sentence) { view.note(sentence); };
  options.watcher = view.watcher();
  Result<> outcome;
  client::Tun tun((*session)->context(), loop, std::move(options), [&](Result<> result) {
    outcome = std::move(result);
    loop.stop();
  });
  if (auto started = view.start(tun); !started) return std::unexpected(std::move(started.error()));
  end_by_signals(loop, exit, [&] { tun.stop(); });
  loop.post([&] { tun.start(); });
  loop.run();
  view.end(outcome);
  (*session)->save_caches();
  if (!outcome) return std::unexpected(std::move(outcome.error()));
  return 0;
}

}  // namespace

void add_tun(CLI::App& app, ExitStatus& status) {
  auto flags = std::make_shared<TunFlags>();
  CLI::App* tun =
      app.add_subcommand("tun", "Carry this machine's IP packets through MASQUE hops, by a TUN device");
  add_hop_flags(*tun, flags->client);
  tun->get_option("--via")->required();
  tun->add_option("--route", flags->routes,
                  "Send packets for this prefix into the tunnel; repeat it for more; by itself all")
      ->type_name("PREFIX")
      ->allow_extra_args(false)
      ->capture_default_str();
  tun->add_option("--exclude", flags->excludes, "But not those for this one; repeat it for more")
      ->type_name("PREFIX")
      ->allow_extra_args(false);
  tun->add_option("--mode", flags->mode,
                  "What the last hop carries: IP packets in CONNECT-IP (ip), or the payloads of UDP in "
                  "CONNECT-UDP, while all else is refused (udp)")
      ->check(CLI::IsMember({"ip", "udp"}))
      ->capture_default_str();
  tun->add_option(
         "--address", flags->addresses,
         "An address of the device in mode udp, in place of 192.0.0.2 or fd5e:1a53:b9c7::2; repeat it "
         "for the other IP version")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  tun->add_option("--device", flags->device,
                  "The name of the TUN device; else the kernel's choice. Of several, NAME0, NAME1 ...")
      ->type_name("NAME");
  tun->add_option("--devices", flags->devices,
                  "That many TUN devices, each with a tunnel of its own on the connection to the last hop")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, client::TunOptions::max_devices))
      ->capture_default_str();
  tun->add_option("--mtu", flags->mtu, "The largest IP packet; by itself what the path carries")
      ->type_name("BYTES")
      ->check(CLI::Range(1280, 65535));
  tun->add_flag("--json", flags->json,
                "Print what happens on standard output, a line of JSON for each event");
  tun->add_option("--json-interval", flags->json_interval, "With --json, all figures each so many seconds")
      ->type_name("S")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str()
      ->needs("--json");
  add_admin_flags(*tun, flags->admin, flags->admin_token_file);
  tun->add_flag("-q,--quiet", flags->client.quiet, "No status line, and no sum at the end");
  tun->callback([flags, &status] { finish_with(run_tun(*flags, status), status); });
}

}  // namespace sallyport::cli
