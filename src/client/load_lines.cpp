// The load generator's connections and requests.
#include "client/load_impl.h"
#include "client/request_sender.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

constexpr Duration shutdown_patience = 1s;
// So many connections are begun in a turn: all at once, they would hold up what is due meanwhile, the end of
// the run too.
constexpr std::size_t begun_at_once = 32;
constexpr Duration begin_pause = 1ms;
// And so many are being made at once, unless making them is what is measured: their handshakes are most of
// the work.
constexpr std::size_t most_opening = 256;
// A server that cannot be reached is tried again after this: it may be starting anew.
constexpr Duration retry_delay = 100ms;
constexpr std::size_t failures_in_a_row = 100;

}  // namespace

std::string kind_name(const Error& error) {
  // A tunnel that a hop refused: a target has no status before a request is sent to it.
  constexpr std::uint64_t least_status = 300, most_status = 599;
  const bool has_status = error.code >= least_status && error.code <= most_status;
  const bool is_of_hop =
      error.kind == ErrorKind::http || error.kind == ErrorKind::denied || error.kind == ErrorKind::resource;
  if (is_of_hop && has_status) return fmt::format("status {} of a hop", error.code);
  switch (error.kind) {
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

using Impl = Load::Impl;

void Impl::Slot::on_response(http::Exchange&, const http::Response& head) {
  status = head.status;
  load.heard = load.context.timers().now();
}

void Impl::Slot::on_body(http::Exchange& exchange, Bytes body) {
  if (!load.closing && measured) load.figures.bytes += body.size();
  load.heard = load.context.timers().now();
  exchange.consume(body.size());
}

/// Answered. The exchange itself lasts until the server has acknowledged the request's end, over HTTP/3 as
/// late as its ACK is delayed; what becomes of it concerns nobody.
void Impl::Slot::on_end(http::Exchange& exchange) {
  exchange.set_handler(nullptr);
  if (load.options.body && written < load.options.body->size())
    exchange.reset(http::ResetCode::cancelled);  // it answered without what is left
  load.answered(*this);
}

void Impl::Slot::on_closed(http::Exchange&, const Error* why) {
  load.ended_unanswered(*this, why);
}

void Impl::Slot::write(http::Exchange& exchange) {
  if (!load.options.body || written >= load.options.body->size()) return;
  const std::string& body = *load.options.body;
  while (written < body.size()) {
    const std::size_t room = exchange.can_write() ? exchange.room() : 0;
    if (room == 0) return;
    const Bytes piece = as_bytes(body).subspan(written, std::min(room, body.size() - written));
    written += piece.size();
    exchange.write(piece);
  }
  exchange.finish();
}

/// Gives every place that has none a connection, as far as there is work for it; not all in one turn.
void Impl::open_lines() {
  const Time now = context.timers().now();
  std::size_t begun = 0;
  Time again = never;
  // In turn, or the first ones, and their hosts, would get all the work.
  const std::size_t from = next_to_open;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t index = (from + i) % lines.size();
    Line& line = *lines[index];
    if (line.chain || !may_open()) continue;
    if (line.not_before > now) {
      again = std::min(again, line.not_before);
    } else if (begun == begun_at_once || (opening >= most_opening && !options.new_connections)) {
      again = now + begin_pause;
      break;
    } else {
      ++begun;
      next_to_open = index + 1;
      open(line);
    }
  }
  if (again != never) next_open.arm(again);
}

/// Whether nobody is there to be asked: nobody ever was, or nobody has been for long in a run that has no end
/// of its own.
bool Impl::gave_up() const {
  if (figures.connections == 0) return attempts >= options.connections;
  return options.duration.count() == 0 && consecutive_failures >= failures_in_a_row + options.connections;
}

bool Impl::may_open() const {
  if (!more() || gave_up()) return false;
  if (!options.new_connections) return true;
  // Each connection is for one request: no more of them than requests.
  if (options.rate > 0 && due.size() <= opening) return false;
  return warming_up || options.requests == 0 || issued + opening < options.requests;
}

void Impl::open(Line& line) {
  line.chain = std::make_unique<dial::Chain>(context, options.chain);
  line.opening = true;
  ++opening;
  ++attempts;
  line.failed = line.answered = false;
  line.opened = context.timers().now();
  line.chain->set_broken_handler([this, &line](const Error&) { lost(line); });
  line.chain->open(line.host->url, [this, &line](Result<http::Connection*> connection) {
    opened(line, std::move(connection));
  });
}

void Impl::opened(Line& line, Result<http::Connection*> connection) {
  line.opening = false;
  --opening;
  if (closing) return;
  const Time now = context.timers().now();
  if (!connection) {
    count_error(kind_name(connection.error()));
    if (figures.first_error.empty()) figures.first_error = connection.error().message;
    return lost(line);
  }
  line.connection = *connection;
  heard = now;
  ++figures.connections;
  figures.connect.record(now - line.opened);
  if (figures.version.empty()) figures.version = http::to_string(line.connection->info().version);
  fill(line);
}

/// Gives free streams something to do.
void Impl::fill(Line& line) {
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

void Impl::send(Line& line, Slot& slot) {
  slot.measured = !warming_up && slot.due >= measured_from;
  if (slot.measured) ++issued;
  ++busy;
  ++line.busy;
  slot.busy = true;
  slot.status = 0;
  slot.written = 0;
  Host& host = *line.host;
  http::Request request;
  request.authority = host.authority;
  request.path = host.targets[host.next];
  host.next = (host.next + 1) % host.targets.size();
  request.fields = options.fields;
  if (!options.body) {
    line.connection->request(std::move(request), slot, true);
    return;
  }
  request.method = "POST";
  request.fields.set("content-length", std::to_string(options.body->size()));
  http::Exchange& exchange = line.connection->request(std::move(request), slot, options.body->empty());
  if (!options.body->empty()) slot.write(exchange);
}

void Impl::answered(Slot& slot) {
  slot.line.answered = true;
  if (!closing && slot.measured) {  // when closing, count_unanswered() has counted it
    if (slot.status / 100 != 2) {
      count_error(fmt::format("status {}", slot.status));
      if (slot.status == 421 && figures.first_error.empty())
        figures.first_error = status_error(slot.line.host->url, slot.status, {}).message;
    } else {
      ++figures.requests;
      figures.latency.record(context.timers().now() - slot.due);
    }
  }
  free(slot);
  turn_end.request();
}

void Impl::ended_unanswered(Slot& slot, const Error* why) {
  if (!closing && slot.measured) count_error(why ? kind_name(*why) : "cut short");
  free(slot);
}

void Impl::free(Slot& slot) {
  slot.busy = false;
  --busy;
  --slot.line.busy;
  if (closing) return;
  if (options.new_connections) slot.line.failed = true;
  stir(slot.line);
}

/// Something changed on this line; the next turn looks at it.
void Impl::stir(Line& line) {
  if (closing) return;
  if (!std::exchange(line.stirred, true)) stirred.push_back(&line);
  next_turn.arm(context.timers().now());
}

/// Where answers came: asking inside their last call would nest, but what is asked for at the turn's end
/// goes with their ACK. Lines that failed, or take no request yet, are left to the next turn.
void Impl::ask_again() {
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

void Impl::lost(Line& line) {
  line.failed = true;
  line.connection = nullptr;
  if (!line.answered) line.not_before = context.timers().now() + retry_delay;
  stir(line);
}

void Impl::tidy() {
  if (closing) return;
  std::erase_if(ending, [](const auto& end) { return end->gone; });
  for (Line* line : std::exchange(stirred, {})) {
    line->stirred = false;
    if (line->failed && line->busy == 0)
      retire(*line);
    else if (line->connection)
      fill(*line);
  }
  open_lines();
  if (busy != 0) return;
  const bool standing =
      std::any_of(lines.begin(), lines.end(), [](const auto& line) { return line->chain != nullptr; });
  const bool will_open = next_open.armed() || (arrivals.armed() && options.new_connections && !gave_up());
  if ((!more() && opening == 0) || (!standing && !will_open)) stop();
}

void Impl::retire(Line& line) {
  line.connection = nullptr;
  line.failed = false;
  if (!line.chain) return;
  auto end = std::make_unique<Ending>();
  Ending& place = *end;
  end->chain = std::move(line.chain);
  ending.push_back(std::move(end));
  place.chain->shutdown(shutdown_patience, [&place] { place.gone = true; });
}

}  // namespace sallyport::client
