#include "dial/link.h"

#include "dial/attempt.h"
#include "masque/refusal_error.h"
#include "net/attempt_schedule.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace sallyport::dial {
namespace {

constexpr std::size_t smallest_quic_datagram = 1200;  // RFC 9000 §14

/// A hop that refused one sort of tunnel so refuses every other one to that target, for it said what is the
/// reason: who asks (401, 407), an address that its policy forbids, how often (429), a name that has no
/// address, or that it leads back to the hop itself (508). Another 403 may be of CONNECT-UDP alone, as where
/// somebody forbids UDP.
bool is_for_any_tunnel(const Error& refusal) {
  return refusal.kind == ErrorKind::resolve || refusal.kind == ErrorKind::denied || refusal.code == 429 ||
         refusal.code == 508;
}

/// Other refusals are of the method or of who asks, and say nothing of the target.
bool is_of_target(const Error& refusal) {
  return refusal.kind == ErrorKind::refused || refusal.kind == ErrorKind::unreachable ||
         refusal.kind == ErrorKind::resolve || refusal.kind == ErrorKind::timeout;
}

/// Why the hop opened no tunnel; null where it did, or has not said.
const Error* refusal_of(const Attempt& attempt) {
  return attempt.reach() == Reach::nothing ? attempt.tunnel_error() : nullptr;
}

/// What is to be learned from an attempt that failed. It is mostly how far it got (Reach); but UDP has no
/// handshake, so that a hop opens a tunnel to a target that is not there, and can give no reason when it ends
/// it. Its refusal of CONNECT has one.
enum class Tells : std::uint8_t { nothing, target_lost, reason, path, answered };

Tells told_by(const Attempt& attempt) {
  if (attempt.reach() == Reach::answered) return Tells::answered;
  if (attempt.reach() == Reach::path) {
    const Error* end = attempt.tunnel() ? attempt.tunnel_error() : nullptr;
    return end && end->code == masque::target_lost ? Tells::target_lost : Tells::path;
  }
  const Error* refusal = refusal_of(attempt);
  return refusal && is_of_target(*refusal) ? Tells::reason : Tells::nothing;
}

std::string seconds(Duration duration) {
  return fmt::format("{:g} s", std::chrono::duration<double>(duration).count());
}

}  // namespace

struct Link::Impl final : AttemptEvents {
  Impl(Context& shared, Link* outer_link, const masque::ProxyTemplate* by, Peer to, HttpChoice http,
       TunnelMode mode, LinkEvents link_events)
      : context(shared),
        outer(outer_link),
        proxy(by),
        peer(std::move(to)),
        choice(http),
        events(std::move(link_events)),
        quic_addresses(context.timers(), [this](std::size_t number) { start_quic_at(number); }),
        deadline(context.timers(), [this](Time) { timed_out(); }),
        quic_race(context.timers(), [this](Time) { start_quic(); }),
        tcp_race(context.timers(), [this](Time) { start_tcp(); }),
        burial(context.timers(), [this](Time) { bury(); }),
        departure(context.timers(), [this](Time) { leave(); }) {
    // A CONNECT tunnel carries no datagrams, so HTTP/3 is not among the choices there; CONNECT-UDP has
    // nothing but HTTP/3.
    if (outer && choice == HttpChoice::automatic) {
      tcp_only = mode == TunnelMode::tcp;
      if (mode == TunnelMode::udp) choice = HttpChoice::h3;
    }
    pinned = of_family(context.pinned.find(peer.host, peer.port), context.family);
    if (outer && !pinned.empty()) peer.asked_for = pinned.front().to_string();
  }

  bool wants_quic() const {
    return !tcp_only && (choice == HttpChoice::h3 || choice == HttpChoice::automatic);
  }
  bool wants_tcp() const { return choice != HttpChoice::h3; }

  void start() {
    started = context.timers().now();
    deadline.arm(started + context.connect_timeout);
    if (outer) {
      addresses.clear();
      begin_attempts();
      return;
    }
    if (!pinned.empty()) return use(pinned);
    resolution = context.outbound.resolver().resolve(
        peer.host, {}, [this](Result<std::vector<net::IpAddress>> answer) { resolved(std::move(answer)); });
  }

  void resolved(Result<std::vector<net::IpAddress>> answer) {
    const auto keep = std::move(resolution);  // lives until this returns
    if (!answer) return fail_link(answer.error());
    auto usable = of_family(net::interleave_families(std::move(*answer)), context.family);
    if (!usable.empty()) return use(usable);
    fail_link({ErrorKind::resolve, fmt::format("{} has no address of the family that {} asks for", peer.host,
                                               context.family == AddressFamily::ipv4 ? "-4" : "-6")});
  }

  void use(const std::vector<net::IpAddress>& ips) {
    for (const net::IpAddress& ip : ips) addresses.emplace_back(ip, peer.port);
    begin_attempts();
  }

  void begin_attempts() {
    // With other ways to try, only where this one is known: the first try is all there is then.
    peer.ready_early = peer.ready_early && wants_quic() &&
                       (remembered_http3() == true || (!wants_tcp() && addresses.size() <= 1));
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

  std::string origin() const { return masque::Target{peer.host, peer.port}.to_string(); }

  std::optional<bool> remembered_http3() const {
    return context.memory && !outer ? context.memory->http3(origin(), context.unix_time) : std::nullopt;
  }

  /// HTTP/3 stood, or was tried and did not while TCP did.
  void remember_winner() {
    if (!context.memory || outer || !wants_quic() || quic_started == 0) return;
    const bool http3 = ready_attempt->connection().quic() != nullptr;
    if (http3 && !ready_attempt->connection().quic()->is_established()) return;  // only early so far
    context.memory->note(origin(), http3, context.unix_time);
  }

  /// The link around this one may have died, and its owner may learn of it after this one's timers.
  bool outer_stands() {
    if (!outer || outer->is_ready()) return true;
    fail_link({ErrorKind::closed, outer->peer().title + ": the connection was closed"});
    return false;
  }

  void start_quic() {
    quic_race.disarm();
    if (ready_attempt || done || quic_started != 0 || !outer_stands()) return;
    if (!outer) return quic_addresses.begin(addresses.size());
    ++quic_started;
    begin(make_tunnelled_quic_attempt(context, outer->connection(), *proxy, peer, *this));
  }

  void start_quic_at(std::size_t number) {
    ++quic_started;
    begin(make_quic_attempt(context, addresses[number], peer, *this));
  }

  void start_tcp() {
    tcp_race.disarm();
    if (ready_attempt || done || tcp_started || !outer_stands()) return;
    tcp_started = true;
    const std::vector<std::string> alpn = choice == HttpChoice::h1 ? std::vector<std::string>{"http/1.1"}
                                          : choice == HttpChoice::h2
                                              ? std::vector<std::string>{"h2"}
                                              : std::vector<std::string>{"h2", "http/1.1"};
    begin(outer ? make_tunnelled_tcp_attempt(context, outer->connection(), peer, alpn, *this)
                : make_tcp_attempt(context, addresses, peer, alpn, *this));
  }

  void begin(std::unique_ptr<Attempt> attempt) {
    Attempt& started_attempt = *attempt;
    attempts.push_back(std::move(attempt));
    started_attempt.start();
  }

  // AttemptEvents
  void on_attempt_ready(Attempt& attempt) override {
    if (ready_attempt == &attempt) return remember_winner();  // was early, and stands now
    if (ready_attempt || done) return;
    ready_attempt = &attempt;
    ready_at = context.timers().now();
    deadline.disarm();
    quic_addresses.stop();
    quic_race.disarm();
    tcp_race.disarm();
    remember_winner();
    note_other_mode();
    for (auto& other : attempts)
      if (other.get() != &attempt) retire(other);
    std::erase(attempts, nullptr);
    events.ready();
  }

  void note_other_mode() {
    if (udp_refusal.empty() || !events.note) return;
    events.note(
        fmt::format("{}; CONNECT was used instead, which carries no HTTP/3 (--mode udp or tcp insists "
                    "on one)",
                    udp_refusal));
  }

  void on_attempt_ended(Attempt& attempt, const Error* why) override {
    last_figures = figures_of(attempt);
    const bool was_ready = ready_attempt == &attempt;
    std::optional<Error> error;
    if (why) error = explain(attempt, *why);
    for (auto& mine : attempts)
      if (mine.get() == &attempt) retire(mine);
    std::erase(attempts, nullptr);
    if (done) return;
    if (was_ready) {
      ready_attempt = nullptr;
      if (last_figures->over_quic && last_figures->quic.established == Time{}) {
        only_early = true;
        if (context.memory && !outer) context.memory->note(origin(), false, context.unix_time);
      }
      if (shutting_down && !error) return close_link();
      return fail_link(error ? *error : Error{ErrorKind::closed, "the connection was closed"});
    }
    if (!error) error = Error{ErrorKind::closed, "the connection was closed"};
    const Error* refusal = refusal_of(attempt);
    note_failure(attempt, *error);
    // Of TCP's addresses each was told of when it failed.
    if (outer || attempt.reach() != Reach::nothing || last_figures->over_quic) tell_failure(attempt, *error);
    if (refusal && attempt.tunnel()) udp_refusal = error->message;
    if (attempts.empty()) {
      // The other sort of tunnel would be refused for the same reason. One that is asked for already is left
      // to its answer.
      if (refusal && is_for_any_tunnel(*refusal)) return fail_all();
      return next_or_fail();
    }
    // Whoever is told that it leads nowhere does not wait for its turn (RFC 8305 §5).
    if (last_figures->over_quic) quic_addresses.advance();
    // No need to wait for a race that is won already.
    if (refusal && wants_tcp() && !tcp_started) start_tcp();
  }

  void on_address_failed(Attempt&, const Error& why) override { tell_failed_attempt(why.message); }

  void tell_failed_attempt(const std::string& sentence) const {
    if (events.attempt_failed) events.attempt_failed(titled(sentence));
  }

  void note_failure(const Attempt& attempt, const Error& error) {
    failures.push_back({error, std::string(attempt.name()), attempt.reach(), told_by(attempt)});
  }

  void tell_failure(const Attempt& attempt, const Error& error) const {
    const bool named = outer || error.message.find(attempt.target()) != std::string::npos;
    tell_failed_attempt(named ? error.message : attempt.way() + ": " + error.message);
  }

  /// All that was tried failed. The one is told that tells most or, of those, was first; and, where no hop is
  /// asked, what became of the other protocol.
  void fail_all() {
    if (failures.empty()) return fail_link({ErrorKind::closed, "the connection could not be established"});
    std::ranges::stable_sort(failures, std::ranges::greater{}, &Failure::tells);
    const Failure& first = failures.front();
    Error error = first.error;
    const auto other = std::ranges::find_if(failures, [&](const auto& f) { return f.name != first.name; });
    if (!outer && first.reach != Reach::answered && other != failures.end() &&
        other->error.message != error.message)
      error.message = fmt::format("{}: {}; {}: {}", first.name, untitled(error.message), other->name,
                                  untitled(other->error.message));
    if (!peer.only_quic.empty() && first.reach != Reach::answered && !is_about_hop(error))
      error.message += " (" + peer.only_quic + ")";
    fail_link(std::move(error));
  }

  /// An attempt broke before it was ready, and no other runs.
  void next_or_fail() {
    if (quic_addresses.advance()) return;
    if (wants_quic() && quic_started == 0) return start_quic();
    if (wants_tcp() && !tcp_started) return start_tcp();
    fail_all();
  }

  void timed_out() {
    const std::string patience = seconds(context.connect_timeout);
    if (resolution)
      return fail_link(
          {ErrorKind::timeout, fmt::format("the name '{}' was not resolved within {}", peer.host, patience)});
    for (const auto& attempt : attempts)
      if (auto error = too_narrow(*attempt)) return fail_link(*error);
    for (const auto& attempt : attempts) {
      const Error silence{ErrorKind::timeout, fmt::format("no answer within {}", patience)};
      const Error error = unanswered(*attempt).value_or(silence);
      note_failure(*attempt, error);
      tell_failure(*attempt, error);
    }
    fail_all();
  }

  /// The hop did not say whether it opens the tunnel.
  std::optional<Error> unanswered(const Attempt& attempt) const {
    if (!outer || attempt.reach() != Reach::nothing) return std::nullopt;
    return Error{ErrorKind::timeout,
                 fmt::format("{}: no answer within {} to the request for a tunnel to {}", outer->peer().title,
                             seconds(context.connect_timeout), peer.target().to_string())};
  }

  /// The link around this one carries less than QUIC needs.
  std::optional<Error> too_narrow(const Attempt& attempt) const {
    const masque::UdpTunnel* tunnel = attempt.tunnel();
    if (!tunnel || tunnel->max_datagram_size() >= smallest_quic_datagram) return std::nullopt;
    return Error{
        ErrorKind::too_large,
        fmt::format(
            "the path inside {} carries datagrams of {} bytes only, and QUIC needs {}; use fewer hops or "
            "a network with a larger MTU",
            outer->peer().title, tunnel->max_datagram_size(), smallest_quic_datagram)};
  }

  Error explain(const Attempt& attempt, const Error& why) const {
    // It is the hop that refused or ended the tunnel, and its error that tells more than the connection's
    // inside.
    if (const Error* refusal = attempt.tunnel_error()) {
      Error error = *refusal;
      error.message = outer->peer().title + ": " + error.message;
      return error;
    }
    if (ready_attempt) return why;
    if (auto error = too_narrow(attempt)) return *error;
    if (why.kind == ErrorKind::timeout)
      if (auto error = unanswered(attempt)) return *error;
    return why;
  }

  void fail_link(Error why) {
    if (done) return;
    end();
    why.message = titled(why.message);
    events.failed(why);
  }

  bool is_about_hop(const Error& why) const { return outer && why.message.starts_with(outer->peer().title); }

  std::string titled(const std::string& sentence) const {
    if (sentence.starts_with(peer.title) || (outer && sentence.starts_with(outer->peer().title)))
      return sentence;
    return peer.title + ": " + sentence;
  }

  std::string untitled(const std::string& sentence) const {
    const std::string begin = peer.title + ": ";
    return sentence.starts_with(begin) ? sentence.substr(begin.size()) : sentence;
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
    quic_addresses.stop();
    quic_race.disarm();
    tcp_race.disarm();
    for (auto& attempt : attempts) retire(attempt);
    attempts.clear();
    resolution.reset();
  }

  /// Connections may not be destroyed inside their own callbacks; the next turn does it.
  void retire(std::unique_ptr<Attempt>& attempt) {
    attempt->abandon();
    graveyard.push_back(std::move(attempt));
    burial.arm(context.timers().now());
  }

  void bury() { graveyard.clear(); }

  LinkFigures figures_of(const Attempt& attempt) const {
    LinkFigures figures;
    attempt.measure(figures);
    figures.title = peer.title;
    figures.started = started;
    figures.ready = ready_at;
    return figures;
  }

  Context& context;
  Link* outer;
  const masque::ProxyTemplate* proxy;
  Peer peer;
  HttpChoice choice;
  LinkEvents events;
  bool tcp_only = false;

  std::unique_ptr<net::Resolution> resolution;
  std::vector<net::IpAddress> pinned;
  std::vector<net::SocketAddress> addresses;
  std::vector<std::unique_ptr<Attempt>> attempts;
  std::vector<std::unique_ptr<Attempt>> graveyard;
  Attempt* ready_attempt = nullptr;
  struct Failure {
    Error error;
    std::string name;  // of the attempt
    Reach reach;
    Tells tells;
  };
  std::vector<Failure> failures;  // of attempts, in their order
  std::string udp_refusal;        // of CONNECT-UDP
  std::optional<LinkFigures> last_figures;
  std::size_t quic_started = 0;
  bool tcp_started = false, done = false, shutting_down = false, only_early = false;
  Time started{}, ready_at{};
  net::AttemptSchedule quic_addresses;
  net::Timer deadline, quic_race, tcp_race, burial;
  net::Deferred departure;
};

Link::Link(Context& context, Link* outer, const masque::ProxyTemplate* proxy, Peer peer, HttpChoice choice,
           TunnelMode mode, LinkEvents events)
    : impl_(std::make_unique<Impl>(context, outer, proxy, std::move(peer), choice, mode, std::move(events))) {
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
