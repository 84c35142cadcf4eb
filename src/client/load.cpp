#include "client/load_impl.h"

#include <algorithm>
#include <utility>

namespace sallyport::client {
namespace {

constexpr Duration shutdown_patience = 1s;
// A server that sent nothing for this long, and for this share of the run, before it ended, hangs.
constexpr Duration shortest_hang = 1s;
constexpr int hang_share = 4;

}  // namespace

using Impl = Load::Impl;

Impl::Impl(dial::Context& shared, LoadOptions load_options, Done when_done)
    : context(shared),
      options(std::move(load_options)),
      done(std::move(when_done)),
      arrivals(shared.timers(), [this](Time now) { arrive(now); }),
      warm_up_end(shared.timers(), [this](Time) { begin_measuring(); }),
      deadline(shared.timers(), [this](Time) { stop(); }),
      next_turn(shared.timers(), [this](Time) { tidy(); }),
      next_open(shared.timers(), [this](Time) { open_lines(); }),
      patience(shared.timers(), [this](Time) { finish(); }),
      turn_end(shared.timers(), [this](Time) { ask_again(); }) {}

Impl::~Impl() {
  // Exchanges that are left end with their connections, and tell slots that must still be there.
  closing = true;
  for (auto& line : lines) line->chain.reset();
}

void Impl::start() {
  started = measured_from = heard = context.timers().now();
  if (!options.fields.contains("user-agent"))
    options.fields.add("user-agent", "sallyport-bench/" SALLYPORT_VERSION);
  warming_up = options.warm_up.count() > 0;
  if (warming_up) warm_up_end.arm(started + options.warm_up);
  if (options.duration.count() > 0) deadline.arm(started + options.warm_up + options.duration);
  make_hosts();
  for (std::size_t i = 0; i < options.connections; ++i) {
    auto line = std::make_unique<Line>();
    line->host = hosts[i % hosts.size()].get();
    for (std::size_t s = 0; s < (options.new_connections ? 1 : options.streams); ++s)
      line->slots.push_back(std::make_unique<Slot>(*this, *line));
    lines.push_back(std::move(line));
  }
  if (options.rate > 0) arrive(started);
  open_lines();
}

void Impl::make_hosts() {
  for (const dial::Url& url : options.urls) {
    const auto same =
        std::ranges::find_if(hosts, [&](const auto& host) { return host->url.origin() == url.origin(); });
    if (same != hosts.end())
      (*same)->targets.push_back(url.target);
    else
      hosts.push_back(std::make_unique<Host>(Host{url, url.authority(), {url.target}, 0}));
  }
}

/// What is under way was asked for in the warm-up, and is not counted.
void Impl::begin_measuring() {
  warming_up = false;
  measured_from = context.timers().now();
  figures.warm_up_seconds = in_seconds(measured_from - started);
  figures.requests = figures.bytes = requests_at_error = 0;
  figures.latency = {};
  figures.errors.clear();
  figures.first_error.clear();
  before = measure_process(0);
  issued = arrived = 0;
  due.clear();
  if (options.rate > 0) arrive(measured_from);
}

void Impl::arrive_until(Time now) {
  // A turn that comes late may reach beyond the end; what would be due after it is not asked for.
  if (options.duration.count() > 0) now = std::min(now, started + options.warm_up + options.duration);
  for (; arrivals_left() && next_due() <= now; ++arrived) due.push_back(next_due());
}

void Impl::arrive(Time now) {
  arrive_until(now);
  const std::size_t from = next_to_fill;
  for (std::size_t i = 0; i < lines.size() && !due.empty(); ++i) {
    const std::size_t index = (from + i) % lines.size();
    if (!lines[index]->connection) continue;
    next_to_fill = index + 1;
    fill(*lines[index]);
  }
  if (options.new_connections) open_lines();
  if (!stopping && arrivals_left()) arrivals.arm(next_due());
}

Time Impl::next_due() const {
  const Time from = warming_up ? started : measured_from;
  return from + Duration(static_cast<std::int64_t>(static_cast<double>(arrived) * 1e9 / options.rate));
}

void Impl::stop() {
  if (std::exchange(stopping, true)) return;
  count_unanswered();
  close_all();
}

/// What the server owes when the time is over. Left out, a server that stops answering would look as good
/// as it was before.
void Impl::count_unanswered() {
  const Time now = context.timers().now();
  if (options.rate > 0) arrive_until(now);
  for (const Time since : due) count_unanswered(now - since);
  for (const auto& line : lines) {
    for (const auto& slot : line->slots)
      if (slot->busy && slot->measured) count_unanswered(now - slot->due);
    if (line->opening && options.new_connections && options.rate == 0 && !warming_up)
      count_unanswered(now - std::max(line->opened, measured_from));
  }
  if (figures.unanswered > 0 && now - heard >= std::max(shortest_hang, (now - started) / hang_share))
    figures.errors["no answer"] += figures.unanswered;
}

void Impl::count_unanswered(Duration age) {
  ++figures.unanswered;
  figures.oldest_unanswered = std::max(figures.oldest_unanswered, age);
  // Its latency is this or more. In a closed loop nobody said when it should have been sent.
  if (options.rate > 0) figures.latency.record(age);
}

void Impl::count_error(const std::string& kind) {
  ++figures.errors[kind];
  consecutive_failures = figures.requests == requests_at_error ? consecutive_failures + 1 : 0;
  requests_at_error = figures.requests;
}

void Impl::close_all() {
  if (std::exchange(closing, true)) return;
  const Time now = context.timers().now();
  figures.seconds = in_seconds(now - measured_from);
  figures.process = measure_process(figures.seconds);
  figures.process.cpu_user_seconds -= before.cpu_user_seconds;
  figures.process.cpu_system_seconds -= before.cpu_system_seconds;
  for (net::Timer* timer : {&arrivals, &warm_up_end, &deadline, &next_open}) timer->disarm();
  patience.arm(now + shutdown_patience);
  std::size_t open_chains = 0;
  for (auto& line : lines) open_chains += line->chain != nullptr;
  if (open_chains == 0) return finish();
  remaining = open_chains;
  for (auto& line : lines) {
    if (!line->chain) continue;
    if (line->busy && line->connection)
      line->connection->close({ErrorKind::cancelled, "the measurement is over"});
    line->chain->shutdown(shutdown_patience, [this] {
      if (--remaining == 0) patience.arm(context.timers().now());
    });
  }
}

void Impl::finish() {
  if (auto call = std::exchange(done, nullptr)) call(std::move(figures));
}

Load::Load(dial::Context& context, LoadOptions options, Done done)
    : impl_(std::make_unique<Impl>(context, std::move(options), std::move(done))) {}

Load::~Load() = default;

void Load::start() {
  impl_->start();
}

void Load::interrupt() {
  impl_->stop();
}

LoadProgress Load::progress() const {
  const Time now = impl_->context.timers().now();
  LoadProgress progress;
  progress.elapsed = in_seconds(now - impl_->started);
  if (impl_->options.duration.count() > 0)
    progress.duration = in_seconds(impl_->options.warm_up + impl_->options.duration);
  progress.warming_up = impl_->warming_up;
  progress.requests = impl_->figures.requests;
  progress.of_requests = impl_->options.requests;
  for (const auto& [kind, count] : impl_->figures.errors) progress.errors += count;
  for (const auto& line : impl_->lines) progress.connections += line->connection != nullptr;
  progress.measured = in_seconds(now - impl_->measured_from);
  return progress;
}

}  // namespace sallyport::client
