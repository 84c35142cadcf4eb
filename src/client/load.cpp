#include "client/load.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

constexpr Duration shutdown_patience = 1s;
// A server that sent nothing for this long, and for this share of the run, before it ended, hangs.
constexpr Duration shortest_hang = 1s;
constexpr int hang_share = 4;

std::string_view kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::resolve:
      return "name not resolved";
    case ErrorKind::refused:
      return "refused";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::unreachable:
      return "unreachable";
    case ErrorKind::tls:
      return "TLS";
    case ErrorKind::protocol:
      return "protocol";
    case ErrorKind::denied:
      return "denied by policy";
    case ErrorKind::too_large:
      return "too large";
    case ErrorKind::closed:
      return "closed";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::resource:
      return "out of resources";
    default:
      return "other";
  }
}

}  // namespace

struct Load::Impl {
  struct Line;

  /// One request at a time on one stream's place.
  struct Slot final : http::ExchangeHandler {
    explicit Slot(Impl& owner, Line& on) : load(owner), line(on) {}

    void on_response(http::Exchange&, const http::Response& head) override {
      status = head.status;
      load.heard = load.context.timers().now();
    }
    void on_body(http::Exchange& exchange, Bytes body) override {
      if (!load.closing) load.figures.bytes += body.size();
      load.heard = load.context.timers().now();
      exchange.consume(body.size());
    }
    /// Answered. The exchange itself lasts until the server has acknowledged the request's end, over HTTP/3
    /// as late as its ACK is delayed; what becomes of it concerns nobody.
    void on_end(http::Exchange& exchange) override {
      exchange.set_handler(nullptr);
      load.answered(*this);
    }
    void on_closed(http::Exchange&, const Error* why) override { load.ended_unanswered(*this, why); }

    Impl& load;
    Line& line;
    Time due{};
    unsigned status = 0;
    bool busy = false;
  };

  /// One connection's place: the chain that is open there now, and its streams.
  struct Line {
    std::unique_ptr<Chain> chain;
    http::Connection* connection = nullptr;
    std::vector<std::unique_ptr<Slot>> slots;
    Time opened{};
    bool opening = false, failed = false, stirred = false;
    bool answered = false;  // something on this connection
    std::size_t busy = 0;
  };

  Impl(Context& shared, LoadOptions load_options, Done when_done)
      : context(shared),
        options(std::move(load_options)),
        done(std::move(when_done)),
        arrivals(shared.timers(), [this](Time now) { arrive(now); }),
        deadline(shared.timers(), [this](Time) { stop(); }),
        next_turn(shared.timers(), [this](Time) { tidy(); }),
        patience(shared.timers(), [this](Time) { finish(); }),
        turn_end(shared.timers(), [this](Time) { ask_again(); }) {}

  ~Impl() {
    // Exchanges that are left end with their connections, and tell slots that must still be there.
    closing = true;
    for (auto& line : lines) line->chain.reset();
    ending.clear();
  }

  void start() {
    started = heard = context.timers().now();
    if (options.duration.count() > 0) deadline.arm(started + options.duration);
    for (std::size_t i = 0; i < options.connections; ++i) {
      auto line = std::make_unique<Line>();
      for (std::size_t s = 0; s < (options.new_connections ? 1 : options.streams); ++s)
        line->slots.push_back(std::make_unique<Slot>(*this, *line));
      lines.push_back(std::move(line));
    }
    if (options.rate > 0) arrive(started);
    open_lines();
  }

  /// Gives every place that has none a connection, as far as there is work for it.
  void open_lines() {
    for (auto& line : lines)
      if (!line->chain && may_open()) open(*line);
  }

  bool may_open() const {
    if (!more()) return false;
    // A server that refuses everything is asked again, but not without end.
    if (figures.connections == 0 ? attempts >= options.connections
                                 : consecutive_failures >= 100 + options.connections)
      return false;
    if (!options.new_connections) return true;
    // Each connection is for one request: no more of them than requests.
    if (options.rate > 0 && due.size() <= opening) return false;
    return options.requests == 0 || issued + opening < options.requests;
  }

  bool more() const { return !stopping && (options.requests == 0 || issued < options.requests); }

  void open(Line& line) {
    line.chain = std::make_unique<Chain>(context, options.chain);
    line.opening = true;
    ++opening;
    ++attempts;
    line.failed = line.answered = false;
    line.opened = context.timers().now();
    line.chain->set_broken_handler([this, &line](const Error&) { lost(line); });
    line.chain->open(options.url, [this, &line](Result<http::Connection*> connection) {
      line.opening = false;
      --opening;
      if (closing) return;
      if (!connection) {
        count_error(std::string(kind_name(connection.error().kind)));
        if (figures.first_error.empty()) figures.first_error = connection.error().message;
        return lost(line);
      }
      line.connection = *connection;
      heard = context.timers().now();
      ++figures.connections;
      figures.connect.record(context.timers().now() - line.opened);
      if (figures.version.empty()) figures.version = http::to_string(line.connection->info().version);
      fill(line);
    });
  }

  /// Gives free streams something to do.
  void fill(Line& line) {
    for (auto& slot : line.slots) {
      if (!line.connection || !line.connection->can_request()) break;
      if (slot->busy) continue;
      if (!more()) break;
      // The streams of answered requests count against the peer's limit until it knows of their end; it would
      // be waited for inside the connection, and count as the server's time. The next answer comes by here.
      if (line.answered && line.busy > 0 && line.connection->free_streams() == 0) break;
      if (options.rate > 0) {
        if (due.empty()) break;
        slot->due = due.front();
        due.pop_front();
      } else {
        slot->due = options.new_connections ? line.opened : context.timers().now();
      }
      send(line, *slot);
    }
    // It drains or was to be closed after its last answer: the next requests get another.
    if (line.connection && line.busy == 0 && !line.connection->can_request() && more()) return lost(line);
    if (!more() && busy == 0) next_turn.arm(context.timers().now());
  }

  void send(Line& line, Slot& slot) {
    ++issued;
    ++busy;
    ++line.busy;
    slot.busy = true;
    slot.status = 0;
    http::Request request;
    request.authority = authority();
    request.path = options.url.target;
    request.fields.add("user-agent", "sallyport-bench/" SALLYPORT_VERSION);
    line.connection->request(std::move(request), slot, true);
  }

  const std::string& authority() {
    if (authority_text.empty()) authority_text = options.url.authority();
    return authority_text;
  }

  void answered(Slot& slot) {
    slot.line.answered = true;
    if (!closing) {  // else count_unanswered() has counted it
      if (slot.status / 100 != 2) {
        count_error(fmt::format("status {}", slot.status));
      } else {
        ++figures.requests;
        figures.latency.record(context.timers().now() - slot.due);
      }
    }
    free(slot);
    turn_end.request();
  }

  void ended_unanswered(Slot& slot, const Error* why) {
    if (!closing) count_error(why ? std::string(kind_name(why->kind)) : "cut short");
    free(slot);
  }

  void free(Slot& slot) {
    slot.busy = false;
    --busy;
    --slot.line.busy;
    if (closing) return;
    if (options.new_connections) slot.line.failed = true;
    stir(slot.line);
  }

  /// Something changed on this line; the next turn looks at it.
  void stir(Line& line) {
    if (closing) return;
    if (!std::exchange(line.stirred, true)) stirred.push_back(&line);
    next_turn.arm(context.timers().now());
  }

  /// Where answers came: asking inside their last call would nest, but what is asked for at the turn's end
  /// goes with their ACK. Lines that failed, or take no request yet, are left to the next turn.
  void ask_again() {
    if (closing) return;
    for (Line* line : std::exchange(stirred, {})) {
      if (line->failed || !line->connection || !line->connection->can_request()) {
        stirred.push_back(line);
        continue;
      }
      line->stirred = false;
      fill(*line);
    }
    if (stirred.empty() && more()) next_turn.disarm();
  }

  void lost(Line& line) {
    line.failed = true;
    line.connection = nullptr;
    stir(line);
  }

  void tidy() {
    if (closing) return;
    std::erase_if(ending, [](const auto& end) { return end->gone; });
    for (Line* line : std::exchange(stirred, {})) {
      line->stirred = false;
      if (line->failed && line->busy == 0) {
        retire(*line);
        if (may_open()) open(*line);
      } else if (line->connection) {
        fill(*line);
      }
    }
    if (busy != 0) return;
    const bool standing =
        std::any_of(lines.begin(), lines.end(), [](const auto& l) { return l->chain != nullptr; });
    const bool will_open = arrivals.armed() && options.new_connections;
    if ((!more() && opening == 0) || (!standing && !will_open)) close_all();
  }

  /// Lets a connection end in order while its place is taken by the next.
  struct Ending {
    std::unique_ptr<Chain> chain;
    bool gone = false;
  };

  void retire(Line& line) {
    line.connection = nullptr;
    line.failed = false;
    if (!line.chain) return;
    auto end = std::make_unique<Ending>();
    Ending& place = *end;
    end->chain = std::move(line.chain);
    ending.push_back(std::move(end));
    place.chain->shutdown(shutdown_patience, [this, &place] {
      place.gone = true;
      next_turn.arm(context.timers().now());
    });
  }

  void count_error(const std::string& kind) {
    ++figures.errors[kind];
    consecutive_failures = figures.requests == requests_at_error ? consecutive_failures + 1 : 0;
    requests_at_error = figures.requests;
  }

  void arrive_until(Time now) {
    for (; arrivals_left() && next_due() <= now; ++arrived) due.push_back(next_due());
  }

  void arrive(Time now) {
    arrive_until(now);
    for (auto& line : lines)
      if (line->connection && !due.empty()) fill(*line);
    if (options.new_connections) open_lines();
    if (!stopping && arrivals_left()) arrivals.arm(next_due());
  }

  bool arrivals_left() const { return options.requests == 0 || arrived < options.requests; }
  Time next_due() const {
    return started + Duration(static_cast<std::int64_t>(static_cast<double>(arrived) * 1e9 / options.rate));
  }

  void stop() {
    if (std::exchange(stopping, true)) return;
    arrivals.disarm();
    deadline.disarm();
    count_unanswered();
    measured();
    close_all();
  }

  /// What the server owes when the time is over. Left out, a server that stops answering would look as good
  /// as it was before.
  void count_unanswered() {
    const Time now = context.timers().now();
    if (options.rate > 0) arrive_until(now);
    for (const Time since : due) count_unanswered(now - since);
    for (const auto& line : lines) {
      for (const auto& slot : line->slots)
        if (slot->busy) count_unanswered(now - slot->due);
      if (line->opening && options.new_connections && options.rate == 0) count_unanswered(now - line->opened);
    }
    if (figures.unanswered > 0 && now - heard >= std::max(shortest_hang, (now - started) / hang_share))
      figures.errors["no answer"] += figures.unanswered;
  }

  void count_unanswered(Duration age) {
    ++figures.unanswered;
    figures.oldest_unanswered = std::max(figures.oldest_unanswered, age);
    // Its latency is this or more. In a closed loop nobody said when it should have been sent.
    if (options.rate > 0) figures.latency.record(age);
  }

  void measured() {
    if (figures.seconds > 0) return;
    figures.seconds = std::chrono::duration<double>(context.timers().now() - started).count();
    figures.process = measure_process(figures.seconds);
  }

  void close_all() {
    if (std::exchange(closing, true)) return;
    stopping = true;
    measured();
    arrivals.disarm();
    deadline.disarm();
    patience.arm(context.timers().now() + shutdown_patience);
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

  void finish() {
    if (auto call = std::exchange(done, nullptr)) call(std::move(figures));
  }

  Context& context;
  LoadOptions options;
  Done done;
  LoadFigures figures;
  std::string authority_text;
  std::vector<std::unique_ptr<Line>> lines;
  std::vector<std::unique_ptr<Ending>> ending;
  std::vector<Line*> stirred;
  std::deque<Time> due;
  std::size_t opening = 0;     // connections under way
  std::uint64_t attempts = 0;  // to make one
  std::uint64_t issued = 0, arrived = 0, requests_at_error = 0;
  std::size_t busy = 0, consecutive_failures = 0, remaining = 0;
  bool stopping = false, closing = false;
  Time started{}, heard{};  // heard: something came from the server
  net::Timer arrivals, deadline, next_turn, patience;
  net::Deferred turn_end;
};

Load::Load(Context& context, LoadOptions options, Done done)
    : impl_(std::make_unique<Impl>(context, std::move(options), std::move(done))) {}

Load::~Load() = default;

void Load::start() {
  impl_->start();
}

void Load::interrupt() {
  impl_->stop();
}

}  // namespace sallyport::client
