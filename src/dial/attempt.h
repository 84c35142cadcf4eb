// One try to reach a peer in one way: QUIC over a path, or TCP to addresses and what is above it, by the
// kernel's sockets or inside a hop. What the Dialers are made of.
#pragma once

#include "dial/context.h"
#include "dial/dialer.h"

#include <functional>
#include <memory>
#include <string>

namespace sallyport::dial {

/// Where QUIC packets to one address go.
struct Way {
  std::string name;    ///< as in Tried: "QUIC", "CONNECT-IP"
  std::string target;  ///< the address, as in Tried
  std::function<Result<std::unique_ptr<net::DatagramPath>>()> open;
};
std::unique_ptr<Dialled> make_quic_attempt(Context& context, Way way, Peer peer, Security security,
                                           DialEvents& events);
/// Inside a CONNECT-UDP tunnel that `hop` is asked for by `proxy`, which outlives this.
std::unique_ptr<Dialled> make_tunnelled_quic_attempt(Context& context, http::Connection& hop,
                                                     const masque::ProxyTemplate& proxy,
                                                     const std::string& token, Peer peer, Security security,
                                                     DialEvents& events);
/// Inside a CONNECT-IP tunnel, in UDP packets made by hand: to the addresses that the hop advertises routes
/// to, IPv6 first (RFC 8305).
std::unique_ptr<Dialled> make_ip_quic_attempt(Context& context, http::Connection& hop,
                                              const masque::ProxyTemplate& proxy, const std::string& token,
                                              Peer peer, Security security, DialEvents& events);
/// `peer` has addresses.
std::unique_ptr<Dialled> make_tcp_attempt(Context& context, Peer peer, Security security, DialEvents& events);
std::unique_ptr<Dialled> make_tunnelled_tcp_attempt(Context& context, http::Connection& hop,
                                                    const std::string& token, Peer peer, Security security,
                                                    DialEvents& events);

/// For a request for a tunnel of datagrams or packets. `token`: empty: none.
inline http::Fields proxy_fields(const std::string& token) {
  http::Fields fields;
  if (!token.empty()) fields.add("authorization", "Bearer " + token);
  return fields;
}
/// What SNI says and the certificate must cover.
inline const std::string& server_name(const Peer& peer, const Security& security) {
  return security.server_name.empty() ? peer.host : security.server_name;
}
inline std::shared_ptr<const tls::Trust> trust(const Context& context, const Security& security) {
  return security.trust ? security.trust : context.trust;
}
/// Null where they would be those of another trust, or of a certificate.
inline tls::SessionCache* sessions(const Context& context, const Security& security) {
  if (security.certificate) return nullptr;
  return !security.trust || security.trust == context.trust ? context.sessions : nullptr;
}
/// Its key in there.
inline std::string session_key(const Peer& peer, const Security& security) {
  return masque::Target{server_name(peer, security), peer.port}.to_string();
}

}  // namespace sallyport::dial
