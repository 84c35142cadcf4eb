#include "client/get.h"

#include "base/escape.h"
#include "client/output_filter.h"
#include "client/progress.h"
#include "client/retry.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

constexpr Duration shutdown_patience = 2s;
constexpr unsigned redirects_followed = 10;
// A FIFO that nobody reads yet is waited for so long, as one that nobody writes to; and looked at so often.
constexpr Duration longest_wait_for_reader = 10s;
constexpr Duration between_looks = 20ms;

}  // namespace

struct Get::Impl {
  /// One download of one URL, from its place in the queue to its end.
  struct Task {
    GetJob job;    // its URL is the one that redirects led to
    GetJob named;  // what the user asked for
    RequestPlan request;
    unsigned redirects = 0;
    std::unique_ptr<Output> output;
    HeadedOutput* heads = nullptr;  // part of `output`; null: heads are not written
    std::unique_ptr<Transcript> transcript;
    std::unique_ptr<net::Timer> max_time, next_try;
    std::unique_ptr<Fetch> fetch;
    std::size_t figures_index = 0;
    bool has_begun = false;  // bytes of an earlier try may be kept
    bool finished = false;
  };

  Impl(dial::Context& shared, GetOptions get_options, Done when_done)
      : context(shared),
        options(std::move(get_options)),
        done(std::move(when_done)),
        bar(context.timers(), [this] { return progress(); }),
        reap(context.timers(), [this](Time) { continue_queue(); }) {}

  void start() {
    started = context.timers().now();
    for (unsigned round = 0; round < options.repeat; ++round)
      for (const GetJob& job : options.jobs) queue.push_back(job);
    make_chain();
    if (options.progress) bar.start();
    continue_queue();
  }

  /// With one URL, all streams are its parts; repeats of it follow one after another.
  std::size_t tasks_at_once() const {
    return options.jobs.size() > 1 && !shares_an_output() ? options.streams : 1;
  }
  std::size_t parts_of_each() const { return options.jobs.size() > 1 ? 1 : options.streams; }

  /// Bodies that go to one place go there one after another.
  bool shares_an_output() const {
    return std::any_of(options.jobs.begin(), options.jobs.end(),
                       [](const GetJob& job) { return job.output == "-"; });
  }

  void continue_queue() {
    std::erase_if(tasks, [](const auto& task) { return task->finished; });
    while (!stopping && tasks.size() < tasks_at_once()) {
      // A file is for one download at a time, also where it is downloaded again and again.
      const auto next = std::find_if(queue.begin(), queue.end(),
                                     [this](const GetJob& job) { return !is_in_use(job.output); });
      if (next == queue.end()) break;
      auto task = std::make_unique<Task>();
      task->job = *next;
      queue.erase(next);
      begin(std::move(task));
    }
    if (tasks.empty() && (stopping || queue.empty())) end();
  }

  bool is_in_use(const std::string& output) const {
    return output != "/dev/null" && std::any_of(tasks.begin(), tasks.end(),
                                                [&](const auto& task) { return task->job.output == output; });
  }

  void begin(std::unique_ptr<Task> owned) {
    owned->figures_index = figures.transfers.size();
    figures.transfers.push_back({.url = owned->job.url.to_string()});
    Task& task = *owned;
    tasks.push_back(std::move(owned));
    task.named = task.job;
    attempt(task, options.resume);
  }

  /// From its beginning: with the URL that the user named.
  void attempt(Task& task, bool resume) {
    task.job = task.named;
    task.request = options.request;
    task.redirects = 0;
    task.fetch.reset();
    task.output.reset();  // before it is opened once more
    open(task, resume, context.timers().now() + longest_wait_for_reader);
  }

  void open(Task& task, bool resume, Time give_up) {
    auto output = open_output(task.job.output, task.job.url.to_string(), resume, options.loop);
    const Time now = context.timers().now();
    if (!output && lacks_reader(output.error()) && now < give_up) {
      task.next_try = std::make_unique<net::Timer>(
          context.timers(), [this, &task, resume, give_up](Time) { open(task, resume, give_up); });
      return task.next_try->arm(now + between_looks);
    }
    if (!output) return finish(task, output.error());
    if (options.max_time > Duration::zero()) {
      task.max_time = std::make_unique<net::Timer>(
          context.timers(), [this, index = task.figures_index](Time) { out_of_time(index); });
      task.max_time->arm(now + options.max_time);
    }
    task.output = std::move(*output);
    // Of a run, not of each of its tries.
    if (options.resume && options.note && figures.transfers[task.figures_index].retries == 0)
      if (const std::string why = task.output->why_from_start(); !why.empty()) options.note(why);
    if (!task.job.may_be_binary) task.output = std::make_unique<TerminalGuard>(std::move(task.output));
    if (options.heads_in_output) {
      auto headed = std::make_unique<HeadedOutput>(std::move(task.output));
      task.heads = headed.get();
      task.output = std::move(headed);
    }
    fetch(task);
  }

  void fetch(Task& task) {
    FetchOptions fetch_options;
    fetch_options.parts = parts_of_each();
    fetch_options.stall_timeout = options.stall_timeout;
    fetch_options.unix_time = context.unix_time + (context.timers().now() - started) / 1s;
    // Credentials are for the origin that the user named.
    fetch_options.request.plan =
        task.job.url.origin() == task.named.url.origin() ? task.request : for_other_origin(task.request);
    if (options.take_any_status)
      fetch_options.request.accept = options.follow_redirects ? Accept::not_redirects : Accept::all;
    fetch_options.request.rate_limit = options.rate_limit;
    fetch_options.request.loop = options.loop;
    if (options.resume) fetch_options.note = options.note;
    if (options.verbose || task.heads) {
      task.transcript = std::make_unique<Transcript>(
          options.verbose, [this, origin = task.job.url.origin()] { return links_to(origin); }, task.heads);
      fetch_options.request.watcher = task.transcript.get();
    }
    task.fetch = std::make_unique<Fetch>(
        context.timers(),
        [this, &task](Fetch::Opened opened) { chain->open(task.job.url, std::move(opened)); }, task.job.url,
        *task.output, std::move(fetch_options),
        [this, &task](Result<> result) { fetched(task, std::move(result)); });
    task.fetch->start();
  }

  /// The newest connections to the hops and to the origin that were established.
  std::vector<dial::LinkFigures> links_to(const std::string& origin) const {
    std::vector<dial::LinkFigures> all = chain->figures(), found;
    for (dial::LinkFigures& link : all) {
      const bool leads_there = link.title.starts_with("hop ") || link.title == "origin " + origin;
      if (!leads_there || link.version.empty()) continue;
      if (!found.empty() && found.back().title == link.title) found.pop_back();
      found.push_back(std::move(link));
    }
    return found;
  }

  void make_chain() {
    if (chain) {
      chain->set_broken_handler([](const Error&) {});
      ended_chains.push_back(std::move(chain));
    }
    dial::ChainOptions chain_options = options.chain;
    if (options.verbose)
      chain_options.attempt_failed = [this](std::string_view sentence) {
        options.verbose(fmt::format("* {}\n", escaped(sentence)));
      };
    chain = std::make_unique<dial::Chain>(context, std::move(chain_options));
    chain->set_broken_handler([this](const Error& why) { broken(why); });
    broken_error.reset();
    broken_transfers.clear();
  }

  void fetched(Task& task, Result<> result) {
    TransferFigures& transfer = figures.transfers[task.figures_index];
    transfer.fetch = task.fetch->figures();
    learn(task);
    if (result && options.status_fails && transfer.fetch.status / 100 != 2 && transfer.fetch.status != 0)
      return fail_or_retry(task, status_error(task.job.url, transfer.fetch.status, transfer.fetch.location,
                                              task.request.authority));
    if (result) return finish(task, std::nullopt);
    Error error = task.fetch->stalled() ? chain->blame_silence(result.error(), options.stall_timeout)
                                        : chain->titled(task.job.url, result.error());
    if (!stopping && options.follow_redirects && !transfer.fetch.location.empty()) {
      if (task.redirects == redirects_followed)
        return finish(task, Error{ErrorKind::http,
                                  fmt::format("more than {} redirects, the last to {}", redirects_followed,
                                              dial::without_credentials(transfer.fetch.location))});
      auto target = dial::resolve_reference(task.job.url, transfer.fetch.location);
      if (!target)
        return finish(task, Error{ErrorKind::protocol, fmt::format("{} redirects to {}", task.job.url.host,
                                                                   target.error().message)});
      return follow(task, std::move(*target), transfer.fetch.status);
    }
    fail_or_retry(task, std::move(error));
  }

  void fail_or_retry(Task& task, Error error) {
    TransferFigures& transfer = figures.transfers[task.figures_index];
    if (task.max_time) task.max_time->disarm();
    const bool is_better_later =
        !stopping && transfer.retries < options.retries && is_transient(error, options.request);
    // What a pipe's reader has got cannot be taken back.
    const bool can_start_over =
        transfer.fetch.bytes == 0 || !task.output->partial_path().empty() || task.output->seekable();
    if (!is_better_later || !can_start_over) {
      note_kept(task);
      return finish(task, std::move(error));
    }
    ++transfer.retries;
    task.has_begun = task.has_begun || transfer.fetch.bytes > 0;
    const Duration wait = wait_before_retry(transfer);
    if (options.note)
      options.note(fmt::format("{}; try {} of {} follows in {:g} s", error.message, transfer.retries,
                               options.retries, in_seconds(wait)));
    task.next_try = std::make_unique<net::Timer>(context.timers(), [this, &task](Time) { try_again(task); });
    task.next_try->arm(context.timers().now() + wait);
  }

  Duration wait_before_retry(const TransferFigures& transfer) const {
    if (options.retry_wait) return *options.retry_wait;
    const auto now = context.unix_time + (context.timers().now() - started) / 1s;
    return retry_after(transfer.fetch.fields, now).value_or(backoff(transfer.retries));
  }

  void try_again(Task& task) {
    TransferFigures& transfer = figures.transfers[task.figures_index];
    finished_bytes += transfer.fetch.bytes;
    transfer = {.url = task.named.url.to_string(), .retries = transfer.retries};
    if (chain->hop_failed()) make_chain();
    chain->forgive(task.named.url);
    attempt(task, options.resume || task.has_begun);
  }

  /// A try took longer than --max-time allows.
  void out_of_time(std::size_t index) {
    const auto found = std::find_if(tasks.begin(), tasks.end(), [index](const auto& task) {
      return task->figures_index == index && !task->finished;
    });
    if (found == tasks.end() || !(*found)->fetch) return;
    Task& task = **found;
    stop_fetch(task);
    fail_or_retry(
        task, {ErrorKind::timeout, fmt::format("{} timed out after {:g} s (--max-time)",
                                               task.named.url.to_string(), in_seconds(options.max_time))});
  }

  void stop_fetch(Task& task) {
    FetchFigures& fetch_figures = figures.transfers[task.figures_index].fetch;
    fetch_figures = task.fetch->figures();
    fetch_figures.ended = context.timers().now();
    task.fetch.reset();
  }

  /// Another request takes the task's place in the figures. What is kept of it belongs to the URL that the
  /// user named, so the output goes along.
  void follow(Task& task, dial::Url target, unsigned status) {
    auto next = std::make_unique<Task>();
    next->job = task.job;
    next->job.url = std::move(target);
    next->named = task.named;
    next->request = redirected(task.request, status);
    next->redirects = task.redirects + 1;
    next->output = std::move(task.output);
    next->heads = task.heads;
    next->has_begun = task.has_begun;
    next->max_time = std::move(task.max_time);
    next->figures_index = task.figures_index;
    TransferFigures& transfer = figures.transfers[task.figures_index];
    transfer = {.url = next->job.url.to_string(), .retries = transfer.retries};
    task.finished = true;
    tasks.push_back(std::move(next));
    fetch(*tasks.back());
    reap.arm(context.timers().now());
  }

  /// What a server over TCP offers besides, for the next run.
  void learn(const Task& task) {
    const std::string& offered = task.fetch->figures().alt_svc;
    if (context.memory && options.chain.hops.empty() && !offered.empty())
      context.memory->note_alt_svc(task.job.url.origin(), task.job.url.port, offered, context.unix_time);
  }

  /// Says where the bytes of a download are that did not end well.
  void note_kept(const Task& task) {
    TransferFigures& transfer = figures.transfers[task.figures_index];
    if (const std::uint64_t bytes = task.output ? task.output->kept_bytes() : 0; bytes > 0)
      transfer.kept =
          fmt::format("{} bytes are kept in {}, go on with --resume", bytes, task.output->partial_path());
  }

  void finish(Task& task, std::optional<Error> error) {
    if (error) {
      figures.transfers[task.figures_index].error = error->message;
      // Nobody reads what else would go there.
      if (error->kind == ErrorKind::file && error->code == EPIPE) figures.reader_gone = stopping = true;
      if (is_of_connection(error->kind)) broken_transfers.push_back(task.figures_index);
    }
    task.finished = true;
    if (task.max_time) task.max_time->disarm();
    if (!options.keep_headers) figures.transfers[task.figures_index].fetch.fields = {};
    if (error && chain->hop_failed()) stopping = true;
    finished_bytes += figures.transfers[task.figures_index].fetch.bytes;
    reap.arm(context.timers().now());  // the task may be in the middle of a call
  }

  /// A connection broke. Exchanges on it end with its error by themselves. After a hop's end what waits will
  /// not start; after an origin's it gets a new connection.
  void broken(const Error& why) {
    broken_error = why;
    if (!chain->hop_failed() || options.retries > 0) return;
    stopping = true;
    reap.arm(context.timers().now());
  }

  void interrupt() {
    stopping = true;
    for (const auto& task : tasks) {
      if (task->finished) continue;
      task->next_try.reset();
      if (task->fetch) {
        stop_fetch(*task);
        note_kept(*task);
      }
      finish(*task, Error{ErrorKind::cancelled, "interrupted"});
    }
    reap.arm(context.timers().now());
  }

  void end() {
    if (ended) return;
    ended = true;
    bar.stop();
    // What a transfer saw is only how the break of a connection looked from inside.
    if (broken_error && chain->hop_failed())
      for (const std::size_t index : broken_transfers) figures.transfers[index].error = broken_error->message;
    figures.not_started = queue.size();
    figures.links = chain->figures();
    figures.process = measure_process(in_seconds(context.timers().now() - started));
    chain->shutdown(shutdown_patience, [this] {
      if (auto call = std::exchange(done, nullptr)) call(std::move(figures));
    });
  }

  Progress progress() const {
    Progress p{.received = finished_bytes};
    for (const auto& task : tasks) {
      if (!task->fetch || task->finished) continue;
      const FetchFigures& f = task->fetch->figures();
      p.received += f.bytes;
      p.bytes += f.bytes + f.resumed_bytes;
      p.size += f.size;
      if (p.label.empty()) p.label = task->job.url.file_name();
    }
    return p;
  }

  dial::Context& context;
  GetOptions options;
  Done done;
  GetFigures figures;
  std::vector<std::unique_ptr<dial::Chain>> ended_chains;  // whose hop failed
  std::unique_ptr<dial::Chain> chain;
  std::deque<GetJob> queue;
  std::vector<std::unique_ptr<Task>> tasks;  // destroyed before the chain whose connections they use
  ProgressBar bar;
  net::Timer reap;
  std::optional<Error> broken_error;
  std::uint64_t finished_bytes = 0;           // of bodies, of tasks that ended
  std::vector<std::size_t> broken_transfers;  // whose exchange ended with its connection
  bool stopping = false, ended = false;
  Time started{};
};

Get::Get(dial::Context& context, GetOptions options, Done done)
    : impl_(std::make_unique<Impl>(context, std::move(options), std::move(done))) {}

Get::~Get() = default;

void Get::start() {
  impl_->start();
}

void Get::interrupt() {
  impl_->interrupt();
}

}  // namespace sallyport::client
