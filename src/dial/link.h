// Link: one connection of a chain, to a hop or to the origin, over the kernel's sockets or inside the link
// before it. Finds the address, races the versions that are allowed (HTTP/3 first, TCP 300 ms later), and
// says in words why it could not: why the attempt could not that tells most, mostly the one that got
// furthest.
#pragma once

#include "dial/context.h"
#include "http/connection.h"
#include "masque/tcp_tunnel.h"
#include "masque/udp_tunnel.h"
#include "masque/uri_template.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::dial {

/// Who is at the other end.
struct Peer {
  std::string host;
  std::uint16_t port = 443;
  std::string title;  ///< "hop 1 (gw-a:443)": begins every error
  /// Stands as soon as requests can leave as 0-RTT, where HTTP/3 is what was asked for or is known to work:
  /// whoever uses it stays with that one try.
  bool ready_early = false;
  std::size_t carries = 0;  ///< how many connections run inside each other in this one
  std::string asked_for;    ///< what a hop is asked for in place of `host`: an address; empty: `host`
  std::string token;        ///< the bearer token for the hop that carries the link; empty: none
  std::string only_quic;    ///< what to do where QUIC alone is tried and gets nowhere; empty: nothing

  /// What a hop is asked for.
  masque::Target target() const { return {asked_for.empty() ? host : asked_for, port}; }
};

struct LinkEvents {
  /// A connection stands; requests may be sent. Once.
  std::function<void()> ready;
  /// It could not be made, or broke later. Once, and nothing follows.
  std::function<void(const Error&)> failed;
  /// It was made in another way than the first one tried, which a hop refused. May be null.
  std::function<void(const std::string&)> note;
  /// A try to connect failed, as the sentence says. May be null.
  std::function<void(std::string_view)> attempt_failed;
  /// After shutdown(): everything is said and the connection is gone. Once, and nothing follows.
  std::function<void()> closed;
};

/// What a link measured; of the hop before it as well, where it runs inside one.
struct LinkFigures {
  std::string title;
  std::string version, tls, cipher;  ///< as http::ConnectionInfo has them; empty: no connection ever stood
  /// That it is connected to, of one inside a hop as the hop says; empty: nobody says it, or there is none.
  std::string address;
  quic::Stats quic;               ///< zero for TCP
  masque::TunnelCounters tunnel;  ///< of the flow it runs in; zero for the first link
  http::ConnectionCounters http;
  std::size_t path_budget =
      0;  ///< largest UDP payload that is known to fit inside this link now; 0 where it carries none
  Time started{}, ready{};
  bool over_quic = false;

  bool quic_stood() const { return quic.established != Time{}; }
};

class Link {
 public:
  static constexpr Duration race_delay = 300ms;

  /// `outer` (not owned, outlives this, ready) carries this link by `proxy`'s template; null for the kernel's
  /// sockets.
  Link(Context& context, Link* outer, const masque::ProxyTemplate* proxy, Peer peer, HttpChoice choice,
       TunnelMode mode, LinkEvents events);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void start();
  /// Only between `ready` and `failed`.
  http::Connection& connection();
  bool is_ready() const;
  /// It was handed out for 0-RTT, and failed before its handshake was done.
  bool was_only_early() const;
  const Peer& peer() const;
  LinkFigures figures() const;
  /// Ends in order: open exchanges finish first, then `closed` is called.
  void shutdown();
  /// Ends at once; `closed` or `failed` follows in a later turn. Only while it is ready.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::dial
