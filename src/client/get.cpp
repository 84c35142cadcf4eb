#include "client/get.h"

#include "client/progress.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

constexpr Duration shutdown_patience = 2s;
constexpr unsigned redirects_followed = 10;

}  // namespace

struct Get::Impl {
  /// One download of one URL, from its place in the queue to its end.
  struct Task {
    GetJob job;  // its URL is the one that redirects led to
    unsigned redirects = 0;
    std::unique_ptr<Output> output;
    std::unique_ptr<Fetch> fetch;
    std::size_t figures_index = 0;
    bool finished = false;
  };

  Impl(Context& shared, GetOptions get_options, Done when_done)
      : context(shared),
        options(std::move(get_options)),
        done(std::move(when_done)),
        chain(context, options.chain),
        bar(context.timers(), [this] { return progress(); }),
        reap(context.timers(), [this](Time) { continue_queue(); }) {}

  void start() {
    started = context.timers().now();
    for (unsigned round = 0; round < options.repeat; ++round)
      for (const GetJob& job : options.jobs) queue.push_back(job);
    chain.set_broken_handler([this](const Error& why) { broken(why); });
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
    auto output = open_output(task.job.output, task.job.url.to_string(), options.resume, options.loop);
    if (!output) return finish(task, output.error());
    task.output = std::move(*output);
    fetch(task);
  }

  void fetch(Task& task) {
    FetchOptions fetch_options;
    fetch_options.parts = parts_of_each();
    fetch_options.stall_timeout = options.stall_timeout;
    task.fetch = std::make_unique<Fetch>(
        context.timers(),
        [this, &task](Fetch::Opened opened) { chain.open(task.job.url, std::move(opened)); }, task.job.url,
        *task.output, fetch_options, [this, &task](Result<> result) { fetched(task, std::move(result)); });
    task.fetch->start();
  }

  void fetched(Task& task, Result<> result) {
    TransferFigures& transfer = figures.transfers[task.figures_index];
    transfer.fetch = task.fetch->figures();
    learn(task);
    if (result) return finish(task, std::nullopt);
    Error error = task.fetch->stalled() ? chain.blame_silence(result.error(), options.stall_timeout)
                                        : std::move(result.error());
    if (!stopping && options.follow_redirects && !transfer.fetch.location.empty()) {
      if (task.redirects == redirects_followed)
        return finish(task, Error{ErrorKind::http, fmt::format("more than {} redirects, the last to {}",
                                                               redirects_followed, transfer.fetch.location)});
      auto target = resolve_reference(task.job.url, transfer.fetch.location);
      if (!target)
        return finish(task, Error{ErrorKind::protocol, fmt::format("{} redirects to {}", task.job.url.host,
                                                                   target.error().message)});
      return follow(task, std::move(*target));
    }
    note_kept(task);
    finish(task, std::move(error));
  }

  /// Another request takes the task's place in the figures. What is kept of it belongs to the URL that the
  /// user named, so the output goes along.
  void follow(Task& task, Url target) {
    auto next = std::make_unique<Task>();
    next->job = {std::move(target), task.job.output};
    next->redirects = task.redirects + 1;
    next->output = std::move(task.output);
    next->figures_index = task.figures_index;
    figures.transfers[task.figures_index] = {.url = next->job.url.to_string()};
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
    if (const std::uint64_t bytes = task.output->kept_bytes(); bytes > 0)
      transfer.kept =
          fmt::format("{} bytes are kept in {}, go on with --resume", bytes, task.output->partial_path());
  }

  void finish(Task& task, std::optional<Error> error) {
    if (error) {
      figures.transfers[task.figures_index].error = error->message;
      if (is_of_connection(error->kind)) broken_transfers.push_back(task.figures_index);
    }
    task.finished = true;
    finished_bytes += figures.transfers[task.figures_index].fetch.bytes;
    reap.arm(context.timers().now());  // the task may be in the middle of a call
  }

  /// A connection broke. Exchanges on it end with its error by themselves. After a hop's end what waits will
  /// not start; after an origin's it gets a new connection.
  void broken(const Error& why) {
    broken_error = why;
    if (!chain.hop_failed()) return;
    stopping = true;
    reap.arm(context.timers().now());
  }

  void interrupt() {
    stopping = true;
    for (const auto& task : tasks) {
      if (task->finished) continue;
      if (task->fetch) {
        FetchFigures& fetch_figures = figures.transfers[task->figures_index].fetch;
        fetch_figures = task->fetch->figures();
        fetch_figures.ended = context.timers().now();
        task->fetch.reset();
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
    if (broken_error && chain.hop_failed())
      for (const std::size_t index : broken_transfers) figures.transfers[index].error = broken_error->message;
    figures.not_started = queue.size();
    figures.links = chain.figures();
    figures.process =
        measure_process(std::chrono::duration<double>(context.timers().now() - started).count());
    chain.shutdown(shutdown_patience, [this] {
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

  Context& context;
  GetOptions options;
  Done done;
  GetFigures figures;
  Chain chain;
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

Get::Get(Context& context, GetOptions options, Done done)
    : impl_(std::make_unique<Impl>(context, std::move(options), std::move(done))) {}

Get::~Get() = default;

void Get::start() {
  impl_->start();
}

void Get::interrupt() {
  impl_->interrupt();
}

}  // namespace sallyport::client
