// Link: one connection of a chain, to a hop or to the origin, made by a Dialer: over the kernel's sockets or
// inside the link before it. Races the versions that are allowed (HTTP/3 first, TCP 300 ms later), and says
// in words why it could not: why the try could not that tells most, mostly the one that got furthest.
#pragma once

#include "dial/context.h"
#include "dial/dialer.h"
#include "http/connection.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::dial {

struct LinkEvents {
  /// A connection is ready; requests may be sent. Once.
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

struct LinkOptions {
  HttpChoice http = HttpChoice::automatic;
  TunnelMode mode = TunnelMode::automatic;  ///< where a hop carries it
  /// Stands as soon as requests can leave as 0-RTT, where HTTP/3 is what was asked for or is known to work:
  /// whoever uses it stays with that one try.
  bool ready_early = false;
  bool offers_certificate = false;  ///< the context's, if the peer asks for one
  std::size_t carries = 0;          ///< how many connections run inside each other in this one
  std::size_t carries_in_ip = 0;    ///< how many of these in IP packets
  std::string only_quic{};          ///< what to do where QUIC alone is tried and gets nowhere; empty: nothing
};

class Link {
 public:
  static constexpr Duration race_delay = 300ms;

  /// `context` and `dialer` must outlive this.
  Link(Context& context, Dialer& dialer, Peer peer, LinkOptions options, LinkEvents events);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Begins once `dialer` is free; what comes of it may come inside.
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
