#include "dial/chain.h"

#include "dial/direct_dialer.h"
#include "dial/failure.h"
#include "dial/hop_dialer.h"
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

struct Origin {
  Url url;
  std::vector<std::unique_ptr<Link>> links;  // that stand, and the one being made
  Link* starting = nullptr;
  std::vector<Chain::Opened> waiting;
  std::optional<LinkFigures> last_figures;  // of the last one that ended
  std::optional<Error> unreachable;         // no connection ever stood
  bool stood = false;
  bool early_failed = false;  // a connection that was used early never came to stand
};

}  // namespace

struct Chain::Impl {
  Impl(Context& shared, ChainOptions chain_options)
      : context(shared),
        options(std::move(chain_options)),
        direct(shared),
        patience_timer(shared.timers(), [this](Time) { finish_shutdown(); }),
        next_step(shared.timers(), [this](Time) { shut_next(); }),
        linger_timer(shared.timers(), [this](Time) { stop_lingering(); }),
        burial(shared.timers(), [this](Time) { ended_links.clear(); }) {}

  void open(const Url& url, Opened opened) {
    if (error) return opened(std::unexpected(*error));
    if (!options.hops.empty() && net::without_zone(url.host).size() < url.host.size())
      return opened(
          fail(ErrorKind::usage,
               fmt::format("{} has a zone, which names an interface of this machine and means nothing "
                           "to a hop; leave out --via or the zone",
                           url.to_string())));
    Origin& origin = origin_of(url);
    if (origin.unreachable) return opened(std::unexpected(*origin.unreachable));
    for (const auto& link : origin.links)
      if (link->is_ready() && link->connection().can_request()) return opened(&link->connection());
    origin.waiting.push_back(std::move(opened));
    if (origin.starting) return;
    if (hops.size() < options.hops.size()) {
      if (hops.empty()) start_next_hop();
      return;  // the last hop's readiness starts it
    }
    if (options.hops.empty() || hops.back()->is_ready()) start_origin(origin);
  }

  Origin& origin_of(const Url& url) {
    const std::string key = url.origin();
    for (const auto& origin : origins)
      if (origin->url.origin() == key) return *origin;
    origins.push_back(std::make_unique<Origin>());
    origins.back()->url = url;
    return *origins.back();
  }

  void start_next_hop() {
    const std::size_t index = hops.size();
    const masque::ProxyTemplate& proxy = options.hops[index];
    Peer peer{proxy.host(), proxy.port(),
              fmt::format("hop {} ({})", index + 1, masque::Target{proxy.host(), proxy.port()}.to_string())};
    LinkOptions link_options{.http = options.hop_http, .carries = options.hops.size() - index};
    link_options.only_quic = options.hop_http == HttpChoice::h3 ? "--via-http auto tries TCP, too" : "";
    LinkEvents events;
    events.ready = [this] { hop_ready(); };
    events.note = [this](const std::string& sentence) { note(sentence); };
    events.attempt_failed = options.attempt_failed;
    events.failed = [this, index](const Error& why) { broken_by(blamed(why, *hops[index], index)); };
    events.closed = [this] { next_step.arm(context.timers().now()); };
    Dialer& dialer = innermost_dialer();
    hops.push_back(
        std::make_unique<Link>(context, dialer, std::move(peer), std::move(link_options), std::move(events)));
    hops.back()->start();
  }

  /// Who dials what comes next: inside the last hop, or directly.
  Dialer& innermost_dialer() {
    if (options.hops.empty() || hops.empty()) return direct;
    assert(!dialers.empty());
    return *dialers.back();
  }

  void hop_ready() {
    if (shutting_down) return;
    Link& hop = *hops.back();
    const std::size_t index = hops.size() - 1;
    dialers.push_back(std::make_unique<HopDialer>(
        context, hop.peer().title, [&hop] { return hop.is_ready() ? &hop.connection() : nullptr; },
        options.hops[index], token_for(index)));
    if (hops.size() < options.hops.size()) return start_next_hop();
    // Starting one may add callbacks, not origins.
    for (std::size_t i = 0; i < origins.size(); ++i)
      if (!origins[i]->starting && !origins[i]->waiting.empty()) start_origin(*origins[i]);
  }

  void start_origin(Origin& origin) {
    // Not the hops: CONNECT is not safe, so it never leaves early (RFC 8470 §2).
    LinkOptions link_options{.http = options.http, .mode = options.mode, .ready_early = !origin.early_failed};
    Peer peer{origin.url.host, origin.url.port, "origin " + origin.url.origin()};
    auto place = std::make_shared<Link*>(nullptr);  // its events need its name, which comes after them
    LinkEvents events;
    events.ready = [this, &origin] { origin_ready(origin); };
    events.note = [this](const std::string& sentence) { note(sentence); };
    events.attempt_failed = options.attempt_failed;
    events.failed = [this, &origin, place](const Error& why) { origin_failed(origin, **place, why); };
    events.closed = [this] { next_step.arm(context.timers().now()); };
    auto link = std::make_unique<Link>(context, innermost_dialer(), std::move(peer), std::move(link_options),
                                       std::move(events));
    *place = origin.starting = link.get();
    origin.links.push_back(std::move(link));
    origin.starting->start();
  }

  std::string token_for(std::size_t hop) const {
    if (options.tokens.empty()) return {};
    return options.tokens.size() == 1 ? options.tokens.front() : options.tokens.at(hop);
  }

  /// Each connection may have it to say again.
  void note(const std::string& sentence) {
    if (!std::exchange(noted, true) && options.note) options.note(sentence);
  }

  void origin_ready(Origin& origin) {
    http::Connection& connection = std::exchange(origin.starting, nullptr)->connection();
    origin.stood = true;
    bool first = true;
    for (auto& opened : std::exchange(origin.waiting, {})) {
      // HTTP/1.1 takes one at a time: the others get a connection each.
      if (connection.can_request())
        opened(&connection);
      else if (first)
        opened(
            std::unexpected(Error{ErrorKind::closed, fmt::format("origin {}: the server accepts no requests",
                                                                 origin.url.origin())}));
      else
        open(origin.url, std::move(opened));
      first = false;
    }
  }

  void origin_failed(Origin& origin, Link& link, const Error& why) {
    // A hop that died takes the connections inside it along; it is the hop that is to blame.
    const Error reason = error ? *error : blamed(why, link, hops.size());
    if (shutting_down) return next_step.arm(context.timers().now());
    const bool was_starting = origin.starting == &link;
    if (was_starting) origin.starting = nullptr;
    origin.early_failed = origin.early_failed || link.was_only_early();
    origin.last_figures = link.figures();
    const auto mine = std::find_if(origin.links.begin(), origin.links.end(),
                                   [&](const auto& l) { return l.get() == &link; });
    if (mine != origin.links.end()) {
      ended_links.push_back(std::move(*mine));
      origin.links.erase(mine);
      burial.arm(context.timers().now());
    }
    if (!origin.stood) origin.unreachable = reason;
    // Who waits for another one that is being made, over HTTP/1.1, goes on waiting for it.
    if (was_starting && !origin.waiting.empty()) {
      for (auto& opened : std::exchange(origin.waiting, {})) opened(std::unexpected(reason));
    } else if (broken) {
      broken(reason);
    }
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
    if (shutting_down) return next_step.arm(context.timers().now());
    if (error) return;
    error = why;
    for (const auto& origin : origins)
      for (auto& opened : std::exchange(origin->waiting, {})) opened(std::unexpected(why));
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
    for (const auto& origin : origins)
      for (const auto& link : origin->links)
        if (link->is_ready()) link->close(), closed_any = true;
    for (auto hop = hops.rbegin(); hop != hops.rend() && !closed_any; ++hop)
      if ((*hop)->is_ready()) (*hop)->close(), closed_any = true;
  }

  /// Ends the innermost link that still stands; its `closed` comes back here.
  void shut_next() {
    if (!closed) return;
    for (const auto& origin : origins)
      for (const auto& link : origin->links)
        if (link->is_ready()) return;
    origins_figures = origin_figures();
    origins.clear();  // ends their tunnels on the last hop
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
      (*hop)->shutdown();
      if ((*hop)->is_ready()) return linger_for(**hop);
    }
    finish_shutdown();
  }

  void finish_shutdown() {
    patience_timer.disarm();
    linger_timer.disarm();
    if (auto done = std::exchange(closed, nullptr)) done();
  }

  std::vector<LinkFigures> origin_figures() const {
    if (origins_figures) return *origins_figures;
    std::vector<LinkFigures> all;
    for (const auto& origin : origins) {
      for (const auto& link : origin->links) all.push_back(link->figures());
      if (origin->links.empty() && origin->last_figures) all.push_back(*origin->last_figures);
    }
    return all;
  }

  Context& context;
  ChainOptions options;
  DirectDialer direct;
  std::vector<std::unique_ptr<HopDialer>> dialers;  // inside each of the hops that stood
  std::vector<std::unique_ptr<Link>> hops;
  std::vector<std::unique_ptr<Origin>> origins;    // destroyed before the hops that carry them
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

std::vector<LinkFigures> Chain::figures() const {
  std::vector<LinkFigures> all;
  for (const auto& hop : impl_->hops) all.push_back(hop->figures());
  for (LinkFigures& figures : impl_->origin_figures()) all.push_back(std::move(figures));
  return all;
}

}  // namespace sallyport::dial
