#include "cli/bench.h"

#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "cli/request_flags.h"
#include "client/load.h"
#include "client/progress.h"
#include "client/request_plan.h"
#include "net/descriptor_limit.h"

#include <memory>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

struct BenchFlags {
  ClientFlags client;
  std::vector<std::string> urls, headers;
  std::optional<std::string> data;
  std::size_t connections = 1, streams = 1;
  std::uint64_t requests = 0;
  double seconds = 0, rate = 0, warm_up = 0;
  bool new_connections = false, json = false;
};

Result<std::vector<dial::Url>> urls_of(const BenchFlags& flags) {
  std::vector<dial::Url> urls;
  std::set<std::string> hosts;
  for (const std::string& text : flags.urls) {
    auto url = dial::parse_url(text);
    if (!url) return std::unexpected(url.error());
    hosts.insert(url->origin());
    urls.push_back(std::move(*url));
  }
  if (flags.connections < hosts.size())
    return fail(ErrorKind::usage,
                fmt::format("the URLs are of {} hosts, each of which needs a connection; give -c {}",
                            hosts.size(), hosts.size()));
  return urls;
}

Result<http::Fields> fields_of(const BenchFlags& flags) {
  client::RequestPlan plan;
  if (auto added = add_headers(flags.headers, plan); !added) return std::unexpected(added.error());
  if (!plan.authority.empty() || !plan.left_out.empty())
    return fail(ErrorKind::usage,
                "-H: bench can neither replace Host nor remove a field; give it as 'NAME: VALUE'");
  return plan.fields;
}

Result<client::LoadOptions> options_of(const BenchFlags& flags) {
  client::LoadOptions options;
  auto urls = urls_of(flags);
  if (!urls) return std::unexpected(urls.error());
  options.urls = std::move(*urls);
  auto fields = fields_of(flags);
  if (!fields) return std::unexpected(fields.error());
  options.fields = std::move(*fields);
  if (flags.data) {
    auto body = text_or_file("-d", *flags.data);
    if (!body) return std::unexpected(body.error());
    options.body = std::move(*body);
  }
  if (options.body && !options.fields.contains("content-type"))
    options.fields.add("content-type", "application/x-www-form-urlencoded");
  options.connections = flags.connections;
  options.streams = flags.streams;
  options.requests = flags.requests;
  options.duration = seconds(flags.seconds);
  options.warm_up = seconds(flags.warm_up);
  options.rate = flags.rate;
  options.new_connections = flags.new_connections;
  return options;
}

Result<int> run_bench(BenchFlags flags, ExitStatus& exit) {
  if (flags.requests == 0 && flags.seconds == 0) flags.seconds = 10;
  auto options = options_of(flags);
  if (!options) return std::unexpected(options.error());
  // What was kept from an earlier run would make handshakes look cheaper than they are.
  if (flags.client.cache_folder.empty()) flags.client.no_cache = true;
  flags.client.remember_names = true;
  net::raise_descriptor_limit();
  auto session = ClientSession::make(flags.client);
  if (!session) return std::unexpected(session.error());
  options->chain = (*session)->chain();

  net::EventLoop& loop = (*session)->loop();
  client::LoadFigures figures;
  client::Load load((*session)->context(), std::move(*options), [&](client::LoadFigures result) {
    figures = std::move(result);
    loop.stop();
  });
  client::ProgressBar progress(loop.timers(), [&](double, std::size_t width) {
    return client::load_progress_line(load.progress(), width);
  });
  end_by_signals(loop, exit, [&] { load.interrupt(); });
  loop.post([&] {
    load.start();
    if (!flags.client.quiet) progress.start();
  });
  loop.run();
  progress.stop();
  if (!flags.client.quiet && figures.version == http::to_string(http::Version::http3))
    (*session)->hint_at_small_buffers(figures.bytes);
  if (!figures.first_error.empty()) say(figures.first_error);
  print(stdout, flags.json ? client::load_json(figures) : client::load_table(figures));
  return figures.requests > 0 && figures.errors.empty() ? 0 : 1;
}

void add_load_flags(CLI::App& bench, BenchFlags& flags) {
  bench.add_option("URL", flags.urls, "What to ask for; several are asked for in turn")->required();
  bench.add_option("-c,--connections", flags.connections, "Connections at once")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  bench.add_option("-m,--streams", flags.streams, "Requests at once on each connection")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  bench.add_option("-n,--requests", flags.requests, "Requests in all")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000'000}));
  bench.add_option("-t,--seconds", flags.seconds, "How long; 10 when -n is not given either")
      ->check(CLI::Range(0.1, 86400.0));
  bench.add_option("--warm-up", flags.warm_up, "Seconds of the same load before, which are not measured")
      ->check(CLI::Range(0.0, 86400.0));
  bench
      .add_option("--rate", flags.rate,
                  "Request rate: requests a second in all, whether or not earlier ones are answered")
      ->check(CLI::Range(0.001, 1e7));
  bench.add_flag("--new-connections", flags.new_connections,
                 "A connection of its own for each request; latency includes its handshake");
  bench
      .add_option("-H,--header", flags.headers,
                  "Send this field ('Name: value') with each request; @FILE has one a line")
      ->allow_extra_args(false);
  bench.add_option("-d,--data", flags.data,
                   "POST this text with each request, or with @FILE what is in the file, as it is");
  bench.add_flag("--json", flags.json, "Print the figures as JSON");
  bench.add_flag("-q,--quiet", flags.client.quiet, "No progress on the terminal, and no hints");
}

}  // namespace

void add_bench(CLI::App& app, ExitStatus& status) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* bench =
      app.add_subcommand("bench", "Put a load on a server over HTTP/3, /2 or /1.1 and measure it");
  add_load_flags(*bench, *flags);
  add_client_flags(*bench, flags->client);
  bench->callback([flags, &status] { finish_with(run_bench(*flags, status), status); });
}

}  // namespace sallyport::cli
