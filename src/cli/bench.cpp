#include "cli/bench.h"

#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "client/load.h"

#include <csignal>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

struct BenchFlags {
  ClientFlags client;
  std::string url;
  std::size_t connections = 1, streams = 1;
  std::uint64_t requests = 0;
  double seconds = 0, rate = 0;
  bool new_connections = false, json = false;
};

Result<int> run_bench(BenchFlags flags) {
  auto url = client::parse_url(flags.url);
  if (!url) return std::unexpected(url.error());
  if (flags.requests == 0 && flags.seconds == 0) flags.seconds = 10;
  // What was kept from an earlier run would make handshakes look cheaper than they are.
  if (flags.client.cache_folder.empty()) flags.client.no_cache = true;
  auto session = ClientSession::make(flags.client);
  if (!session) return std::unexpected(session.error());

  client::LoadOptions options;
  options.url = std::move(*url);
  options.chain = (*session)->chain();
  options.connections = flags.connections;
  options.streams = flags.streams;
  options.requests = flags.requests;
  options.duration = seconds(flags.seconds);
  options.rate = flags.rate;
  options.new_connections = flags.new_connections;

  net::EventLoop& loop = (*session)->loop();
  client::LoadFigures figures;
  client::Load load((*session)->context(), std::move(options), [&](client::LoadFigures result) {
    figures = std::move(result);
    loop.stop();
  });
  loop.on_signals({SIGINT, SIGTERM}, [&](int) { load.interrupt(); });
  loop.post([&] { load.start(); });
  loop.run();
  if (!figures.first_error.empty()) say(figures.first_error);
  print(stdout, flags.json ? client::load_json(figures) : client::load_table(figures));
  return figures.requests > 0 && figures.errors.empty() ? 0 : 1;
}

}  // namespace

void add_bench(CLI::App& app, ExitStatus& status) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* bench =
      app.add_subcommand("bench", "Put a load on a server over HTTP/3, /2 or /1.1 and measure it");
  bench->add_option("URL", flags->url, "What to ask for")->required();
  bench->add_option("-c,--connections", flags->connections, "Connections at once")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  bench->add_option("-m,--streams", flags->streams, "Requests at once on each connection")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  bench->add_option("-n,--requests", flags->requests, "Requests in all");
  bench->add_option("-t,--seconds", flags->seconds, "How long; 10 when -n is not given either")
      ->check(CLI::Range(0.1, 86400.0));
  bench
      ->add_option("--rate", flags->rate,
                   "Requests due a second in all, whether or not earlier ones are answered")
      ->check(CLI::Range(0.001, 1e7));
  bench->add_flag("--new-connections", flags->new_connections,
                  "A connection of its own for each request; latency includes its handshake");
  bench->add_flag("--json", flags->json, "Print the figures as JSON");
  add_client_flags(*bench, flags->client);
  bench->callback([flags, &status] { finish_with(run_bench(*flags), status); });
}

}  // namespace sallyport::cli
