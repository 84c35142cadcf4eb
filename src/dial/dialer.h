// Dialer: makes a connection to a peer, secured as asked for: directly (direct_dialer.h), or through a hop
// (hop_dialer.h). Knows nothing of who wants it; Link uses one for each connection of a chain, and a pool of
// upstream connections can use one by itself.
#pragma once

#include "dial/failure.h"
#include "dial/link_figures.h"
#include "http/connection.h"
#include "masque/uri_template.h"
#include "net/address.h"
#include "tls/credentials.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::dial {

/// Who is at the other end.
struct Peer {
  std::string host;
  std::uint16_t port = 443;
  std::string title;  ///< "hop 1 (gw-a:443)": names it in traces and, by Link, in errors
  /// Where it is, in the order to try, where that is known; empty: the dialer finds it, or the hop does.
  std::vector<net::SocketAddress> addresses{};

  std::string name() const { return masque::Target{host, port}.to_string(); }
  /// What a hop is asked for.
  masque::Target target() const {
    return {addresses.empty() ? host : addresses.front().ip().to_string(), port};
  }
};

/// How the connection is secured, and by that what is spoken on it.
struct Security {
  enum class Layer : std::uint8_t {
    plain,  ///< nothing, over TCP
    tls,    ///< over TCP
    quic,   ///< HTTP/3
  };
  Layer layer = Layer::tls;
  /// Over TCP. TLS offers them, in this order. In the clear the first is spoken: "http/1.1", or "h2" with
  /// prior knowledge (RFC 9113 §3.3).
  std::vector<std::string> alpn{"h2", "http/1.1"};
  /// Null: that of the Context. With another, no sessions are remembered: they are those of its trust.
  std::shared_ptr<const tls::Trust> trust = nullptr;
  /// Offered if the peer asks for one; null: none. With one, no sessions are remembered: a ticket would show
  /// it again to whoever dials without.
  std::shared_ptr<const tls::OfferedCertificate> certificate = nullptr;
  std::string server_name{};  ///< SNI, and what the certificate must cover; empty: the peer's host
  /// Stands as soon as requests can leave as 0-RTT (QUIC, where the Context has early data).
  bool ready_early = false;
  std::size_t carries = 0;        ///< how many connections will run inside each other in this one
  std::size_t carries_in_ip = 0;  ///< how many of these in IP packets
};

class Dialled;

/// Who dials. None may destroy the Dialled; a later turn may.
class DialEvents {
 public:
  /// Requests may be sent. Again where it was early, and is established now.
  virtual void on_ready(Dialled& dialled) = 0;
  /// It could not be made, or broke later; nothing follows. `why` is null after an orderly end of one that
  /// was ready, or of a hop's tunnel. It names neither the peer nor a hop.
  virtual void on_ended(Dialled& dialled, const Error* why) = 0;
  /// One address could not be reached, as `tried` says; others may follow, or on_ended.
  virtual void on_address_failed(const Tried& /*tried*/, const Error& /*why*/) {}

 protected:
  ~DialEvents() = default;
};

/// A connection that a Dialer makes, or made.
class Dialled {
 public:
  virtual ~Dialled() = default;
  /// Once. Events come from now on, and may come inside.
  virtual void start() = 0;
  /// No event comes after this; the peer is told. To be destroyed in a later turn.
  virtual void abandon() = 0;
  /// Only once it is ready.
  virtual http::Connection& connection() = 0;
  virtual Tried tried() const = 0;
  virtual bool over_quic() const = 0;
  /// All but the title and the times.
  virtual void measure(LinkFigures& figures) const = 0;
  /// What is being tried at this moment: this itself, or the addresses that it races.
  virtual void each_running(const std::function<void(const Dialled&)>& visit) const { visit(*this); }
};

class Dialer {
 public:
  virtual ~Dialer() = default;
  using Free = std::function<void(Result<>)>;
  /// Calls `free` when one can be dialled: inside this call, or once a hop has a connection that carries it.
  /// Whoever still wants to dial does so, and starts it, before `free` returns: over HTTP/1.1 a hop's
  /// connection is for one tunnel. An error is that of the connection that failed, and names it.
  virtual void when_free(const Free& free) { free({}); }
  /// Only when it is free. `events` must outlive the result, and so must this. Each step (name, TCP,
  /// handshake) may take the Context's `connect_timeout`.
  virtual std::unique_ptr<Dialled> dial(Peer peer, Security security, DialEvents& events) = 0;
  /// The title of the hop that it goes through; none: it goes directly.
  virtual std::optional<std::string> hop() const = 0;
};

/// Keeps what may not be destroyed inside its own events until the turn after.
class Graveyard {
 public:
  explicit Graveyard(net::Timers& timers)
      : timers_(timers), burial_(timers, [this](Time) { abandoned_.clear(); }) {}
  void take(std::unique_ptr<Dialled> dialled) {
    dialled->abandon();
    abandoned_.push_back(std::move(dialled));
    burial_.arm(timers_.now());
  }
  /// Not inside the events of one of them.
  void clear() {
    burial_.disarm();
    abandoned_.clear();
  }

 private:
  net::Timers& timers_;
  std::vector<std::unique_ptr<Dialled>> abandoned_;
  net::Timer burial_;
};

}  // namespace sallyport::dial
