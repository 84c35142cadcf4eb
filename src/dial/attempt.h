// Attempt: one try to reach a peer in one way: QUIC or TLS over TCP, by the kernel's sockets or inside a hop.
// A Link races several and keeps the first that stands.
#pragma once

#include "dial/context.h"
#include "http/connection.h"
#include "masque/udp_tunnel.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::dial {

struct LinkFigures;
struct Peer;
class Attempt;

class AttemptEvents {
 public:
  virtual void on_attempt_ready(Attempt& attempt) = 0;
  /// Never inside Attempt::start()'s caller's construction of it; may come inside start(). `why` is null
  /// after an orderly end.
  virtual void on_attempt_ended(Attempt& attempt, const Error* why) = 0;
  /// One of several addresses could not be reached; the attempt may go on with another.
  virtual void on_address_failed(Attempt& attempt, const Error& why) = 0;

 protected:
  ~AttemptEvents() = default;
};

/// How far an attempt got.
enum class Reach : std::uint8_t {
  nothing,   ///< nobody answered, or said no
  path,      ///< to the peer's host: TCP, or a tunnel that the hop opened
  answered,  ///< the peer itself answered
};

class Attempt {
 public:
  virtual ~Attempt() = default;
  virtual void start() = 0;
  /// No event comes after this; the peer is told. To be destroyed in a later turn.
  virtual void abandon() = 0;
  /// Only once it is ready.
  virtual http::Connection& connection() = 0;
  virtual Reach reach() const = 0;
  /// "QUIC to 192.0.2.1:443".
  std::string way() const { return std::string(name()) + " to " + target(); }
  /// "QUIC", "TCP", or what a hop is asked for.
  virtual std::string_view name() const = 0;
  /// The address, or addresses, or what the hop is asked for.
  virtual std::string target() const = 0;
  /// The CONNECT-UDP flow it runs in, or null.
  virtual const masque::UdpTunnel* tunnel() const { return nullptr; }
  /// Why the hop ended the tunnel, or null.
  virtual const Error* tunnel_error() const { return nullptr; }
  virtual void measure(LinkFigures& figures) const = 0;
};

std::unique_ptr<Attempt> make_quic_attempt(Context& context, const net::SocketAddress& address,
                                           const Peer& peer, AttemptEvents& events);
std::unique_ptr<Attempt> make_tunnelled_quic_attempt(Context& context, http::Connection& hop,
                                                     const masque::ProxyTemplate& proxy, const Peer& peer,
                                                     AttemptEvents& events);
std::unique_ptr<Attempt> make_tcp_attempt(Context& context, const std::vector<net::SocketAddress>& addresses,
                                          const Peer& peer, const std::vector<std::string>& alpn,
                                          AttemptEvents& events);
std::unique_ptr<Attempt> make_tunnelled_tcp_attempt(Context& context, http::Connection& hop, const Peer& peer,
                                                    const std::vector<std::string>& alpn,
                                                    AttemptEvents& events);

}  // namespace sallyport::dial
