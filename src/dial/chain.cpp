#include "dial/chain.h"

#include "dial/direct_dialer.h"
#include "dial/failure.h"
#include "dial/hop_dialer.h"
#include "dial/tunnel_cost.h"
#include "net/host_name.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace sallyport::dial {
namespace {

// How long a peer that has nothing to say any more may take to end its side of a connection.
constexpr Duration shortest_linger = 50ms, longest_linger = 500ms;

/// A hop or an origin, and the connections to it, made as they are wanted: over HTTP/1.1 each tunnel and each
/// request that is under way has its own, elsewhere all share one.
struct Place {
  Peer peer;
  std::size_t outer = 0;  // how many hops are before it
  bool is_hop = false;
  std::vector<std::unique_ptr<Link>> links;  // that are established, and the one being made
  Link* starting = nullptr;
  std::vector<Chain::Opened> waiting;
  std::optional<LinkFigures> last_figures;  // of the last one that ended
  std::optional<Error> unreachable;         // no connection was ever established
  std::optional<Error> last_end;            // why the last one ended, with a title
  bool was_established = false;
  bool early_failed = false;  // a connection that was used early was never established

  http::Connection* free_connection() const {
    for (const auto& link : links)
      if (link->is_ready() && link->connection().can_request()) return &link->connection();
    return nullptr;
  }
  bool is_established() const {
    return std::ranges::any_of(links, [](const auto& link) { return link->is_ready(); });
  }
  /// Of the newest connection.
  LinkFigures figures() const {
    if (!links.empty()) return links.back()->figures();
    return last_figures.value_or(LinkFigures{.title = peer.title});
  }
};

using Places = std::vector<std::unique_ptr<Place>>;

std::vector<LinkFigures> figures_of(const Place& place) {
  std::vector<LinkFigures> all;
  const auto add = [&all](LinkFigures figures) {
    // One that waits for its hop, or waited in vain, never began.
    if (figures.started != Time{}) all.push_back(std::move(figures));
  };
  for (const auto& link : place.links) add(link->figures());
  if (place.links.empty() && place.last_figures) add(*place.last_figures);
  return all;
}

std::vector<LinkFigures> figures_of(const Places& places) {
  std::vector<LinkFigures> all;
  for (const auto& place : places)
    for (LinkFigures& figures : figures_of(*place)) all.push_back(std::move(figures));
  return all;
}

}  // namespace

struct Chain::Impl {
  Impl(Context& shared, ChainOptions chain_options)
      : context(shared),
        options(std::move(chain_options)),
        direct(shared),
        patience_timer(shared.timers(), [this](Time) { finish_shutdown(); }),
        next_step(shared.timers(), [this](Time) { shut_next(); }),
        linger_timer(shared.timers(), [this](Time) { stop_lingering(); }),
        burial(shared.timers(), [this](Time) { ended_links.clear(); }) {
    for (std::size_t i = 0; i < options.hops.size(); ++i) add_hop(i);
  }

  void add_hop(std::size_t index) {
    const masque::ProxyTemplate& proxy = options.hops[index];
    Place& hop = *hops.emplace_back(std::make_unique<Place>());
    hop.peer = {
        proxy.host(), proxy.port(),
        fmt::format("hop {} ({})", index + 1, masque::Target{proxy.host(), proxy.port()}.to_string())};
    hop.outer = index;
    hop.is_hop = true;
    HopDialer::Connections connections;
    connections.free = [&hop] { return hop.free_connection(); };
    connections.when_free = [this, &hop](Dialer::Free free) {
      find(hop, [call = std::move(free)](const Result<http::Connection*>& found) {
        call(found ? Result<>() : std::unexpected(found.error()));
      });
    };
    dialers.push_back(std::make_unique<HopDialer>(context, hop.peer.title, std::move(connections), proxy,
                                                  is_by_ip(index), token_for(index)));
  }

  bool is_by_ip(std::size_t hop) const { return options.mode_of(hop, options.hops.size()) == TunnelMode::ip; }

  void open(const Url& url, Opened opened) {
    if (!options.hops.empty() && net::without_zone(url.host).size() < url.host.size())
      return opened(
          fail(ErrorKind::usage,
               fmt::format("{} has a zone, which names an interface of this machine and means nothing "
                           "to a hop; leave out --via or the zone",
                           url.to_string())));
    find(origin_of(url), std::move(opened));
  }

  std::string title_of(const Url& url) const {
    if (options.leads_to_hop) return fmt::format("hop {} ({})", options.hops.size() + 1, url.origin());
    return "origin " + url.origin();
  }

  Place& origin_of(const Url& url) {
    std::string title = title_of(url);
    for (const auto& origin : origins)
      if (origin->peer.title == title) return *origin;
    Place& origin = *origins.emplace_back(std::make_unique<Place>());
    origin.peer = {url.host, url.port, std::move(title)};
    origin.outer = options.hops.size();
    return origin;
  }

  /// A connection to `place` that takes a request now: one that is open, or a new one.
  void find(Place& place, Opened opened) {
    if (error) return opened(std::unexpected(*error));
    if (place.unreachable) return opened(std::unexpected(*place.unreachable));
    if (http::Connection* const free = place.free_connection()) return opened(free);
    place.waiting.push_back(std::move(opened));
    if (!place.starting) start(place);
  }

  /// Its dialer asks the hop before it for a connection, and so on down to the first.
  void start(Place& place) {
    LinkOptions link_options;
    if (place.is_hop) {
      link_options = {.http = options.hop_http, .carries = options.hops.size() - place.outer};
      for (std::size_t i = place.outer; i < options.hops.size(); ++i)
        if (is_by_ip(i)) ++link_options.carries_in_ip;
      if (place.outer > 0 && is_by_ip(place.outer - 1)) link_options.http = HttpChoice::h3;
      link_options.only_quic = options.hop_http == HttpChoice::h3 ? "--via-http auto tries TCP, too" : "";
    } else {
      // Not the hops: CONNECT is not safe, so it never leaves early (RFC 8470 §2).
      link_options = {.http = options.http,
                      .mode = options.mode,
                      .ready_early = !place.early_failed,
                      .offers_certificate = !options.leads_to_hop};
    }
    auto mine = std::make_shared<Link*>(nullptr);  // its events need its name, which comes after them
    LinkEvents events;
    events.ready = [this, &place] { link_ready(place); };
    events.note = [this](const std::string& sentence) { note(sentence); };
    events.attempt_failed = options.attempt_failed;
    events.failed = [this, &place, mine](const Error& why) { link_failed(place, **mine, why); };
    events.closed = [this] { next_step.arm(context.timers().now()); };
    Dialer& dialer = place.outer == 0 ? static_cast<Dialer&>(direct) : *dialers[place.outer - 1];
    auto link =
        std::make_unique<Link>(context, dialer, place.peer, std::move(link_options), std::move(events));
    *mine = place.starting = link.get();
    place.links.push_back(std::move(link));
    place.starting->start();
  }

  std::string token_for(std::size_t hop) const {
    if (options.tokens.empty()) return {};
    return options.tokens.size() == 1 ? options.tokens.front() : options.tokens.at(hop);
  }

  /// Each connection may have it to say again.
  void note(const std::string& sentence) {
    if (!std::exchange(noted, true) && options.note) options.note(sentence);
  }

  void link_ready(Place& place) {
    http::Connection& connection = std::exchange(place.starting, nullptr)->connection();
    place.was_established = true;
    bool first = true;
    for (auto& opened : std::exchange(place.waiting, {})) {
      // HTTP/1.1 takes one at a time: the others get a connection each.
      if (connection.can_request())
        opened(&connection);
      else if (first)
        opened(fail(ErrorKind::closed, fmt::format("{}: the server accepts no requests", place.peer.title)));
      else
        find(place, std::move(opened));
      first = false;
    }
  }

  void link_failed(Place& place, Link& link, const Error& why) {
    // A hop that died takes the connections inside it along; it is the hop that is to blame.
    const Error reason = error ? *error : blamed(why, link, place.outer);
    if (shutting_down) return next_step.arm(context.timers().now());
    const bool was_starting = place.starting == &link;
    if (was_starting) place.starting = nullptr;
    place.early_failed = place.early_failed || link.was_only_early();
    place.last_figures = link.figures();
    bury(place, link);
    if (place.is_hop && !error && is_lost(place, was_starting)) return broken_by(reason);
    place.last_end = reason;
    if (!place.was_established) place.unreachable = reason;
    // Who waits for another one that is being made, over HTTP/1.1, goes on waiting for it.
    if (was_starting && !place.waiting.empty()) {
      for (auto& opened : std::exchange(place.waiting, {})) opened(std::unexpected(reason));
    } else if (broken && !place.is_hop) {
      broken(reason);
    }
  }

  void bury(Place& place, const Link& link) {
    const auto mine =
        std::ranges::find_if(place.links, [&](const auto& other) { return other.get() == &link; });
    if (mine == place.links.end()) return;
    ended_links.push_back(std::move(*mine));
    place.links.erase(mine);
    burial.arm(context.timers().now());
  }

  /// Whether the end of its last connection is the end of this hop. Over HTTP/1.1 a connection ends with the
  /// tunnel in it, and another is made for the next one.
  static bool is_lost(const Place& hop, bool was_starting) {
    // One that drains (GOAWAY) may end while the next is being made.
    if (hop.is_established() || hop.starting != nullptr) return false;
    return was_starting || hop.last_figures->version != http::to_string(http::Version::http1_1);
  }

  Error titled(const Url& url, const Error& why) const {
    const std::string title = title_of(url);
    std::string_view said = why.message;
    if (said.starts_with(title + ": ")) said.remove_prefix(title.size() + 2);
    for (const auto& origin : origins)
      if (origin->peer.title == title && origin->last_end &&
          origin->last_end->message.ends_with(fmt::format(": {}", said)))
        return *origin->last_end;
    return why;
  }

  /// Silence inside the first `outer` hops may be one of theirs.
  Error blamed(const Error& why, const Link& link, std::size_t outer) const {
    if (why.kind != ErrorKind::timeout) return why;
    const Time now = context.timers().now(), heard = link.figures().quic.last_received;
    return silent_hop(why, heard == Time{} ? context.connect_timeout : now - heard, outer);
  }

  Error silent_hop(const Error& why, Duration silence, std::size_t outer) const {
    std::vector<Heard> heard;
    for (std::size_t i = 0; i < outer; ++i) {
      const LinkFigures hop = hops[i]->figures();
      heard.push_back({hop.title, hop.quic.last_received});
    }
    return dial::blame_silence(why, heard, context.timers().now(), silence);
  }

  void broken_by(const Error& why) {
    error = why;
    // Those that wait for an outer one have others waiting for them.
    for (const Places* places : {&hops, &origins})
      for (const auto& place : *places)
        for (auto& opened : std::exchange(place->waiting, {})) opened(std::unexpected(why));
    if (broken) broken(why);
  }

  void shutdown(Duration patience, std::function<void()> done) {
    shutting_down = true;
    closed = std::move(done);
    patience_timer.arm(context.timers().now() + patience);
    for (const auto& origin : origins)
      for (const auto& link : origin->links) {
        link->shutdown();
        linger_for(*link);
      }
    next_step.arm(context.timers().now());
  }

  void linger_for(const Link& link) {
    const LinkFigures figures = link.figures();
    const Duration linger = std::clamp(figures.ready - figures.started, shortest_linger, longest_linger);
    const Time end = context.timers().now() + linger;
    if (link.is_ready() && (!linger_timer.armed() || linger_timer.deadline() < end)) linger_timer.arm(end);
  }

  /// What was asked to end and did not. (Envoy keeps a CONNECT-UDP stream open that we have finished.)
  void stop_lingering() {
    bool closed_any = false;
    const auto close = [&closed_any](const Place& place) {
      for (const auto& link : place.links)
        if (link->is_ready()) link->close(), closed_any = true;
    };
    for (const auto& origin : origins) close(*origin);
    for (auto hop = hops.rbegin(); hop != hops.rend() && !closed_any; ++hop) close(**hop);
  }

  /// Ends the innermost links that are still open; their `closed` comes back here.
  void shut_next() {
    if (!closed) return;
    for (const auto& origin : origins)
      if (origin->is_established()) return;
    origins_figures = origin_figures();
    origins.clear();  // ends their tunnels on the last hop
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
      for (const auto& link : (*hop)->links) {
        link->shutdown();
        linger_for(*link);
      }
      if ((*hop)->is_established()) return;
    }
    finish_shutdown();
  }

  void finish_shutdown() {
    patience_timer.disarm();
    linger_timer.disarm();
    if (auto done = std::exchange(closed, nullptr)) done();
  }

  std::vector<LinkFigures> origin_figures() const {
    return origins_figures ? *origins_figures : figures_of(origins);
  }

  /// From the innermost out: what a link carries is known of those inside it.
  std::vector<LinkFigures> figures() const {
    std::vector<LinkFigures> inside = origin_figures(), all = inside;
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
      std::vector<LinkFigures> mine = figures_of(**hop);
      for (LinkFigures& link : mine) add_inside(link, inside);
      all.insert(all.begin(), mine.begin(), mine.end());
      inside = std::move(mine);
    }
    return all;
  }

  Context& context;
  ChainOptions options;
  DirectDialer direct;
  std::vector<std::unique_ptr<HopDialer>> dialers;  // inside each of the hops
  Places hops;
  Places origins;                                  // destroyed before the hops that carry them
  std::vector<std::unique_ptr<Link>> ended_links;  // may not go inside their own last call
  std::optional<std::vector<LinkFigures>> origins_figures;
  std::optional<Error> error;
  std::function<void(const Error&)> broken;
  std::function<void()> closed;
  bool shutting_down = false, noted = false;
  net::Timer patience_timer, next_step, linger_timer, burial;
};

Chain::Chain(Context& context, ChainOptions options)
    : impl_(std::make_unique<Impl>(context, std::move(options))) {}

Chain::~Chain() {
  impl_->origins.clear();
  impl_->ended_links.clear();
  while (!impl_->hops.empty()) impl_->hops.pop_back();  // inner before outer
}

void Chain::open(const Url& url, Opened opened) {
  impl_->open(url, std::move(opened));
}

void Chain::forgive(const Url& url) {
  impl_->origin_of(url).unreachable.reset();
}

void Chain::set_broken_handler(std::function<void(const Error&)> broken) {
  impl_->broken = std::move(broken);
}

void Chain::shutdown(Duration patience, std::function<void()> closed) {
  impl_->shutdown(patience, std::move(closed));
}

Error Chain::blame_silence(const Error& why, Duration silence) const {
  return impl_->silent_hop(why, silence, impl_->hops.size());
}

bool Chain::hop_failed() const {
  return impl_->error.has_value();
}

Error Chain::titled(const Url& url, const Error& why) const {
  return impl_->titled(url, why);
}

std::vector<LinkFigures> Chain::figures() const {
  return impl_->figures();
}

}  // namespace sallyport::dial
