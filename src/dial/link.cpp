#include "dial/link.h"

#include "base/lifetime.h"
#include "dial/lookup.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sallyport::dial {

struct Link::Impl final : DialEvents {
  Impl(Context& shared, Dialer& by, Peer to, LinkOptions link_options, LinkEvents link_events)
      : context(shared),
        dialer(by),
        peer(std::move(to)),
        options(std::move(link_options)),
        events(std::move(link_events)),
        through_hop(by.hop().has_value()),
        words(peer.title, by.hop().value_or(std::string()), shared.connect_timeout, options.only_quic),
        lookup(context, peer.host, peer.port,
               [this](Result<std::vector<net::SocketAddress>> found) { found_addresses(std::move(found)); }),
        deadline(context.timers(), [this](Time) { timed_out(); }),
        quic_race(context.timers(), [this](Time) { start_quic(); }),
        tcp_race(context.timers(), [this](Time) { start_tcp(); }),
        departure(context.timers(), [this](Time) { leave(); }),
        graveyard(context.timers()) {
    if (!through_hop) return;
    // A CONNECT tunnel carries no datagrams, so HTTP/3 is not among the choices there; CONNECT-UDP and
    // CONNECT-IP have nothing but HTTP/3.
    if (options.http == HttpChoice::automatic) {
      tcp_only = options.mode == TunnelMode::tcp;
      if (options.mode == TunnelMode::udp || options.mode == TunnelMode::ip) options.http = HttpChoice::h3;
    }
    peer.addresses = pinned_addresses(context, peer.host, peer.port);
  }

  bool wants_quic() const {
    return !tcp_only && (options.http == HttpChoice::h3 || options.http == HttpChoice::automatic);
  }
  bool wants_tcp() const { return options.http != HttpChoice::h3; }

  void start() {
    dialer.when_free([this, watch = Lifetime::Watch(lifetime)](Result<> free) {
      if (watch.gone() || done) return;
      if (!free) return fail_link(free.error());
      begin_link();
    });
  }

  void begin_link() {
    started = context.timers().now();
    deadline.arm(started + context.connect_timeout);
    if (through_hop || !peer.addresses.empty()) return begin_attempts();
    looking_up = true;
    lookup.start();
  }

  void found_addresses(Result<std::vector<net::SocketAddress>> found) {
    looking_up = false;
    if (done) return;
    if (!found) return fail_link(words.of_peer(found.error()));
    peer.addresses = std::move(*found);
    begin_attempts();
  }

  void begin_attempts() {
    // With other ways to try, only where this one is known: the first try is all there is then.
    options.ready_early =
        options.ready_early && wants_quic() &&
        (remembered_http3() == true || (!wants_tcp() && (through_hop || peer.addresses.size() <= 1)));
    if (!wants_quic()) return start_tcp();
    if (!wants_tcp()) return start_quic();
    // Whoever did not answer the last time gets the later start.
    if (remembered_http3() == false) {
      start_tcp();
      if (!done) quic_race.arm(context.timers().now() + race_delay);
      return;
    }
    start_quic();
    if (!done && !tcp_started) tcp_race.arm(context.timers().now() + race_delay);
  }

  std::optional<bool> remembered_http3() const {
    return context.memory && !through_hop ? context.memory->http3(peer.name(), context.unix_time)
                                          : std::nullopt;
  }

  /// HTTP/3 was established, or was tried and was not while TCP was.
  void remember_winner() {
    if (!context.memory || through_hop || !wants_quic() || !quic_started) return;
    const bool http3 = ready_attempt->connection().quic() != nullptr;
    if (http3 && !ready_attempt->connection().quic()->is_established()) return;  // only early so far
    context.memory->note(peer.name(), http3, context.unix_time);
  }

  void start_quic() {
    quic_race.disarm();
    if (quic_started) return;
    begin({.layer = Security::Layer::quic,
           .ready_early = options.ready_early,
           .carries = options.carries,
           .carries_in_ip = options.carries_in_ip},
          quic_started);
  }

  void start_tcp() {
    tcp_race.disarm();
    if (tcp_started) return;
    Security security{.layer = Security::Layer::tls};
    if (options.http == HttpChoice::h1) security.alpn = {"http/1.1"};
    if (options.http == HttpChoice::h2) security.alpn = {"h2"};
    begin(std::move(security), tcp_started);
  }

  void begin(Security security, bool& begun) {
    if (ready_attempt || done) return;
    if (options.offers_certificate) security.certificate = context.certificate;
    begun = waits = true;  // what follows may fail inside, and asks
    dialer.when_free(
        [this, security = std::move(security), watch = Lifetime::Watch(lifetime)](Result<> free) {
          if (watch.gone()) return;
          waits = false;
          if (ready_attempt || done) return;
          if (!free) return no_way(free.error());
          attempts.push_back(dialer.dial(peer, security, *this));
          attempts.back()->start();
        });
  }

  /// The hop has no connection for one more tunnel, and `why` says why none could be made. One that another
  /// attempt has is left to that.
  void no_way(const Error& why) {
    if (attempts.empty()) fail_link(why);
  }

  // DialEvents
  void on_ready(Dialled& attempt) override {
    if (ready_attempt == &attempt) return remember_winner();  // was early, and is established now
    if (ready_attempt || done) return;
    ready_attempt = &attempt;
    ready_at = context.timers().now();
    deadline.disarm();
    quic_race.disarm();
    tcp_race.disarm();
    remember_winner();
    for (const auto& other : attempts)
      if (other.get() != &attempt)
        if (const auto narrow = words.too_narrow(other->tried())) why_not_udp = words.titled(*narrow).message;
    note_other_mode();
    for (auto& other : attempts)
      if (other.get() != &attempt) graveyard.take(std::move(other));
    std::erase(attempts, nullptr);
    events.ready();
  }

  void note_other_mode() {
    if (why_not_udp.empty() || ready_attempt->over_quic() || !events.note) return;
    events.note(
        fmt::format("{}; CONNECT was used instead, which carries no HTTP/3 (--mode udp or tcp insists "
                    "on one)",
                    why_not_udp));
  }

  void on_ended(Dialled& attempt, const Error* why) override {
    last_figures = figures_of(attempt);
    const bool was_ready = ready_attempt == &attempt, over_quic = attempt.over_quic();
    const Tried tried = attempt.tried();
    const bool in_order = why == nullptr;
    const Failure failure = why ? words.explain(tried, *why, was_ready) : words.closed(tried);
    for (auto& mine : attempts)
      if (mine.get() == &attempt) graveyard.take(std::move(mine));
    std::erase(attempts, nullptr);
    if (done) return;
    if (was_ready) return ended_ready(failure, in_order);
    // QUIC's addresses were each told of when they failed; of TCP's, only those that nobody answered at.
    if (through_hop || !over_quic) failures.push_back(failure);
    if (through_hop || (!over_quic && tried.reach != Reach::nothing)) tell(words.line(tried, failure));
    if ((tried.is_refused() && tried.tunnel_size) || words.too_narrow(tried))
      why_not_udp = words.titled(failure).message;
    if (attempts.empty()) {
      // The other sort of tunnel would be refused for the same reason. One that is asked for already is left
      // to its answer.
      if (tried.is_refused_for_all()) return fail_all();
      if (!waits) next_or_fail();
      return;
    }
    // No need to wait for a race that is won already.
    if (tried.is_refused() && wants_tcp() && !tcp_started) start_tcp();
  }

  void ended_ready(const Failure& failure, bool in_order) {
    ready_attempt = nullptr;
    if (last_figures->over_quic && last_figures->quic.established == Time{}) {
      only_early = true;
      if (context.memory && !through_hop) context.memory->note(peer.name(), false, context.unix_time);
    }
    if (shutting_down && in_order) return close_link();
    fail_link(words.titled(failure));
  }

  void on_address_failed(const Tried& tried, const Error& why) override {
    if (tried.name != "QUIC") return tell(words.of_peer(why).message);
    failures.push_back(words.explain(tried, why, false));
    tell(words.line(tried, failures.back()));
  }

  void tell(const std::string& sentence) const {
    if (events.attempt_failed) events.attempt_failed(sentence);
  }

  /// A try broke before it was ready, and no other runs.
  void next_or_fail() {
    if (wants_quic() && !quic_started) return start_quic();
    if (wants_tcp() && !tcp_started) return start_tcp();
    fail_all();
  }

  void fail_all() { fail_link(words.told(failures)); }

  void timed_out() {
    if (looking_up)
      return fail_link(words.of_peer(FailureWords::unresolved(peer.host, context.connect_timeout)));
    std::vector<Tried> running;
    for (const auto& attempt : attempts)
      attempt->each_running([&](const Dialled& one) { running.push_back(one.tried()); });
    for (const Tried& tried : running)
      if (const auto narrow = words.too_narrow(tried)) return fail_link(words.titled(*narrow));
    for (const Tried& tried : running) {
      failures.push_back(words.silence(tried));
      tell(words.line(tried, failures.back()));
    }
    fail_all();
  }

  void fail_link(const Error& why) {
    if (done) return;
    end();
    events.failed(why);
  }

  void close_link() {
    end();
    if (events.closed) events.closed();
  }

  void close() {
    shutting_down = true;
    http::Connection& connection = ready_attempt->connection();
    connection.close({ErrorKind::cancelled, "no longer needed"});
    // Over TCP that waits for the peer's end of the stream as well.
    if (connection.quic() == nullptr) departure.request();
  }

  void leave() {
    if (ready_attempt == nullptr) return;
    last_figures = figures_of(*ready_attempt);
    ready_attempt = nullptr;
    close_link();
  }

  void end() {
    done = true;
    deadline.disarm();
    quic_race.disarm();
    tcp_race.disarm();
    for (auto& attempt : attempts) graveyard.take(std::move(attempt));
    attempts.clear();
    lookup.cancel();
  }

  LinkFigures figures_of(const Dialled& attempt) const {
    LinkFigures figures;
    attempt.measure(figures);
    figures.title = peer.title;
    figures.started = started;
    figures.ready = ready_at;
    return figures;
  }

  Context& context;
  Dialer& dialer;
  Peer peer;
  LinkOptions options;
  LinkEvents events;
  const bool through_hop;
  const FailureWords words;
  bool tcp_only = false;

  Lookup lookup;
  std::vector<std::unique_ptr<Dialled>> attempts;
  Dialled* ready_attempt = nullptr;
  std::vector<Failure> failures;  // of attempts, in their order
  std::string why_not_udp;        // the hop refused CONNECT-UDP, or its path is too narrow
  std::optional<LinkFigures> last_figures;
  bool looking_up = false, quic_started = false, tcp_started = false;
  bool waits = false;  // an attempt waits for a connection of the hop
  bool done = false, shutting_down = false, only_early = false;
  Time started{}, ready_at{};
  net::Timer deadline, quic_race, tcp_race;
  net::Deferred departure;
  Graveyard graveyard;
  Lifetime lifetime;  // asked by who waits for the hop
};

Link::Link(Context& context, Dialer& dialer, Peer peer, LinkOptions options, LinkEvents events)
    : impl_(std::make_unique<Impl>(context, dialer, std::move(peer), std::move(options), std::move(events))) {
}

Link::~Link() = default;

void Link::start() {
  impl_->start();
}

http::Connection& Link::connection() {
  return impl_->ready_attempt->connection();
}

bool Link::is_ready() const {
  return impl_->ready_attempt != nullptr;
}

bool Link::was_only_early() const {
  return impl_->only_early;
}

const Peer& Link::peer() const {
  return impl_->peer;
}

LinkFigures Link::figures() const {
  if (impl_->ready_attempt) return impl_->figures_of(*impl_->ready_attempt);
  if (impl_->last_figures) return *impl_->last_figures;
  LinkFigures figures;
  figures.title = impl_->peer.title;
  return figures;
}

void Link::shutdown() {
  if (impl_->done) return;
  impl_->shutting_down = true;
  if (impl_->ready_attempt)
    impl_->ready_attempt->connection().shutdown();
  else
    impl_->close_link();
}

void Link::close() {
  impl_->close();
}

}  // namespace sallyport::dial
