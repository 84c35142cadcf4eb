#include "cli/get.h"

#include "base/counted.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "cli/proxy_environment.h"
#include "cli/request_flags.h"
#include "client/get.h"
#include "client/output_place.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace sallyport::cli {
namespace {

struct GetFlags {
  ClientFlags client;
  RequestFlags request;
  std::vector<std::string> urls, outputs;
  std::size_t streams = 1;
  unsigned repeat = 1;
  double stall = 30;
  bool remote_name = false, resume = false, location = false, json = false, table = false;
};

/// Where the body of the URL with this number goes: a path, or "-".
std::string output_of(const GetFlags& flags, const dial::Url& url, std::size_t index) {
  if (!flags.remote_name)
    return flags.outputs.empty() ? "-" : flags.outputs[flags.outputs.size() == 1 ? 0 : index];
  const std::string name = url.file_name();
  return name == "-" ? "./-" : name;  // a file of that name
}

/// Two downloads in one file would spoil each other, as would one in the other's .part.
class TakenNames {
 public:
  Result<> take(const client::OutputPlace& place, const std::string& output) {
    for (const std::string& name : client::taken_names(place))
      if (const auto [other, added] = taken_.emplace(name, output); !added)
        return fail(
            ErrorKind::usage,
            other->second == output
                ? fmt::format("two URLs would go to the same file '{}'; name another with -o", output)
                : fmt::format("'{}' and '{}' cannot be downloaded at once: both need '{}'; name another "
                              "file with -o",
                              other->second, output, name));
    return {};
  }

 private:
  std::map<std::string, std::string> taken_;
};

Result<std::vector<client::GetJob>> jobs_of(const GetFlags& flags) {
  if (!flags.outputs.empty() && flags.outputs.size() != flags.urls.size() && flags.outputs.size() != 1)
    return fail(ErrorKind::usage, fmt::format("{} and {} -o; give one -o for each URL",
                                              counted(flags.urls.size(), "URL"), flags.outputs.size()));
  std::vector<client::GetJob> jobs;
  TakenNames taken;
  for (std::size_t i = 0; i < flags.urls.size(); ++i) {
    auto url = dial::parse_url(flags.urls[i]);
    if (!url) return std::unexpected(url.error());
    std::string output = output_of(flags, *url, i);
    const auto place = client::find_place(output);
    if (!place)
      return place.error().kind == ErrorKind::usage ? std::unexpected(place.error())
                                                    : of_flag(flags.remote_name ? "-O" : "-o", place.error());
    const bool on_stdout = place->descriptor == STDOUT_FILENO;
    // Whoever names standard output gets whatever comes.
    const bool may_be_binary = !on_stdout || !flags.outputs.empty() || !::isatty(STDOUT_FILENO);
    if (on_stdout) output = "-";
    const bool is_shared = on_stdout || output == "/dev/null";
    if (!is_shared && flags.outputs.size() == 1 && flags.urls.size() > 1)
      return fail(ErrorKind::usage, "several URLs cannot go to one file; give one -o for each URL, or -O");
    if (!is_shared)
      if (auto free = taken.take(*place, output); !free) return std::unexpected(free.error());
    jobs.push_back({std::move(*url), std::move(output), may_be_binary});
  }
  return jobs;
}

/// Nothing below a response may end it earlier than the user said. PINGs tell a server that has nothing to
/// say, or may not, from one that is gone, and show which hop is to blame.
void allow_silence(dial::Context& context, Duration stall_timeout, bool keep_alive_chosen) {
  context.config.idle_timeout = std::max(context.config.idle_timeout, stall_timeout);
  context.limits.idle_timeout = std::max(context.limits.idle_timeout, stall_timeout);
  if (!keep_alive_chosen) context.config.keep_alive = std::min<Duration>(10s, stall_timeout / 3);
}

/// A server may send at once what fits into the windows; with a rate that is no more than a second's worth.
void limit_windows(dial::Context& context, std::uint64_t rate) {
  if (rate == 0) return;
  constexpr std::uint64_t smallest = 64 * 1024;
  quic::Config& config = context.config;
  const std::uint64_t window = std::max(rate, smallest);
  for (std::uint64_t* const each : {&config.initial_stream_window, &config.initial_connection_window,
                                    &config.maximum_stream_window, &config.maximum_connection_window})
    *each = std::min(*each, window);
}

std::uint64_t bytes_over_quic(const std::vector<dial::LinkFigures>& links) {
  std::uint64_t bytes = 0;
  for (const dial::LinkFigures& link : links)
    bytes = std::max(bytes, link.quic.bytes_received + link.quic.bytes_sent);
  return bytes;
}

void note_unused_proxy(const client::GetOptions& options) {
  std::vector<dial::Url> urls;
  urls.reserve(options.jobs.size());
  for (const client::GetJob& job : options.jobs) urls.push_back(job.url);
  if (const auto note = unused_proxy_note(urls, [](const char* name) { return std::getenv(name); }))
    say(*note);
}

Result<int> run_get(const GetFlags& flags, ExitStatus& exit) {
  auto jobs = jobs_of(flags);
  if (!jobs) return std::unexpected(jobs.error());
  client::GetOptions options;
  options.jobs = std::move(*jobs);
  options.streams = flags.streams;
  options.repeat = flags.repeat;
  options.resume = flags.resume;
  if (auto applied = apply_request_flags(flags.request, options); !applied)
    return std::unexpected(applied.error());
  if (options.resume && std::ranges::all_of(options.jobs, [](const auto& job) { return job.output == "-"; }))
    return fail(
        ErrorKind::usage,
        "--resume goes on with a file, and the body goes to standard output; name it with -o FILE or -O");
  auto session = ClientSession::make(flags.client);
  if (!session) return std::unexpected(session.error());

  options.chain = (*session)->chain();
  if (options.chain.hops.empty() && !flags.client.quiet) note_unused_proxy(options);
  if (!flags.client.quiet) options.note = [](std::string_view sentence) { say(sentence); };
  options.keep_headers = flags.json;
  if (flags.request.verbose) options.verbose = [](std::string_view lines) { print(stderr, lines); };
  options.follow_redirects = flags.location;
  options.stall_timeout = seconds(flags.stall);
  bool body_on_stdout = false;
  for (const client::GetJob& job : options.jobs) body_on_stdout |= job.output == "-";
  if (body_on_stdout && flags.streams > 1 && !flags.client.quiet)
    say("-n changes nothing where the body goes to standard output, in order; name a file with -o");
  // A bar would be drawn over a body on the same terminal.
  options.progress =
      !flags.client.quiet && !flags.request.verbose && !(body_on_stdout && ::isatty(STDOUT_FILENO));
  net::EventLoop& loop = (*session)->loop();
  options.loop = &loop;
  limit_windows((*session)->context(), options.rate_limit);
  allow_silence((*session)->context(), options.stall_timeout, flags.client.keep_alive.has_value());
  client::GetFigures figures;
  client::Get get((*session)->context(), std::move(options), [&](client::GetFigures result) {
    figures = std::move(result);
    loop.stop();
  });
  end_by_signals(loop, exit, [&] { get.interrupt(); });
  loop.post([&] { get.start(); });
  loop.run();

  if (!flags.client.quiet) (*session)->hint_at_small_buffers(bytes_over_quic(figures.links));
  (*session)->save_caches();
  figures.qlog_folder = flags.client.qlog_folder;
  // Its reader has all that it wanted: `get URL | head` is no failure to speak of.
  const bool silent = figures.reader_gone && exit.pipe_kills && exit.signal == 0;
  if (silent) exit.signal = SIGPIPE;
  int status = figures.transfers.empty() ? 1 : 0;
  for (const client::TransferFigures& transfer : figures.transfers)
    if (!transfer.error.empty()) {
      if (!silent) say(transfer.error + (transfer.kept.empty() ? "" : "; ") + transfer.kept);
      status = 1;
    }
  if (figures.not_started > 0 && !silent)
    say(fmt::format("{} {} not started", counted(figures.not_started, "more download"),
                    figures.not_started == 1 ? "was" : "were"));
  // A body on standard output leaves no room for figures there.
  std::FILE* const out = body_on_stdout ? stderr : stdout;
  if (flags.json) print(out, client::figures_json(figures));
  if (flags.table) print(out, client::figures_table(figures));
  return status;
}

}  // namespace

void add_get(CLI::App& app, ExitStatus& status) {
  auto flags = std::make_shared<GetFlags>();
  CLI::App* get =
      app.add_subcommand("get", "Download over HTTP/3, /2 or /1.1, direct or through MASQUE hops");
  get->add_option("URL", flags->urls, "What to download")->required();
  get->add_option("-o,--output", flags->outputs,
                  "Write to this file instead of standard output; repeat it for several URLs")
      ->type_name("FILE")
      ->allow_extra_args(false);
  get->add_flag("-O,--remote-name", flags->remote_name,
                "Write to a file named like the last part of the URL; index.html where it ends in '/'")
      ->excludes("-o");
  get->add_option("-n,--streams", flags->streams,
                  "Requests at once over one connection; one URL is split by ranges")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  get->add_option("--repeat", flags->repeat, "Download everything this many times over")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  get->add_flag("-C,--resume", flags->resume, "Resume an interrupted download from FILE.part");
  get->add_flag("-L,--location", flags->location, "Follow redirects (ten at the most)");
  get->add_option("--stall-timeout", flags->stall, "Give up when nothing came for this many seconds")
      ->type_name("S")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  get->add_flag("--json", flags->json,
                "Print all figures as JSON on standard output (standard error when the body goes there)");
  get->add_flag("--table", flags->table, "Print the figures as a table");
  get->add_flag("-q,--quiet", flags->client.quiet,
                "No progress bar (there is none either where the body goes to the terminal) and no hints");
  add_request_flags(*get, flags->request);
  add_client_flags(*get, flags->client);
  get->callback([flags, &status] { finish_with(run_get(*flags, status), status); });
}

}  // namespace sallyport::cli
