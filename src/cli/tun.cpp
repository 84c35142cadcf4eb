#include "cli/tun.h"

#include "base/log.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "client/tun.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

struct TunFlags {
  ClientFlags client;
  std::vector<std::string> routes{"0.0.0.0/0", "::/0"}, excludes;
  std::string device;
  std::size_t mtu = 0;
};

Result<int> run_tun(const TunFlags& flags, ExitStatus& exit) {
  client::TunOptions options;
  if (auto read = read_prefixes("--route", flags.routes, options.routes); !read)
    return std::unexpected(std::move(read.error()));
  if (auto read = read_prefixes("--exclude", flags.excludes, options.excludes); !read)
    return std::unexpected(std::move(read.error()));
  options.device = flags.device;
  options.mtu = flags.mtu;

  // The last hop is what the chain leads to.
  ClientFlags chain = flags.client;
  auto proxy = hop_of(chain.via.back(), masque::Protocol::ip);
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
  chain.via.pop_back();
  if (tokens > 1 || hops == 1) {
    if (!chain.token_files.empty()) chain.token_files.pop_back();
  }
  chain.http = chain.hop_http;
  if (chain.via.empty()) chain.hop_http = "h3";  // there is none left that it would be about
  set_log_level(LogLevel::warn);
  auto session = ClientSession::make(chain);
  if (!session) return std::unexpected(std::move(session.error()));
  options.chain = (*session)->chain();
  options.chain.leads_to_hop = true;
  options.note = [](std::string_view sentence) { say(sentence); };
  // A tunnel may have nothing to carry for hours; PINGs tell that its hops are there.
  if (!flags.client.keep_alive) (*session)->context().config.keep_alive = 10s;

  net::EventLoop& loop = (*session)->loop();
  Result<> outcome;
  client::Tun tun((*session)->context(), loop, std::move(options), [&](Result<> result) {
    outcome = std::move(result);
    loop.stop();
  });
  end_by_signals(loop, exit, [&] { tun.stop(); });
  loop.post([&] { tun.start(); });
  loop.run();
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
  tun->add_option("--device", flags->device, "The name of the TUN device; else the kernel's choice")
      ->type_name("NAME");
  tun->add_option("--mtu", flags->mtu, "The largest IP packet; by itself what the path carries")
      ->type_name("BYTES")
      ->check(CLI::Range(1280, 65535));
  tun->callback([flags, &status] { finish_with(run_tun(*flags, status), status); });
}

}  // namespace sallyport::cli
