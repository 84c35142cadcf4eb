// One try to reach a peer in one way: QUIC to an address, or TCP to addresses and what is above it, by the
// kernel's sockets or inside a hop. What the Dialers are made of.
#pragma once

#include "dial/context.h"
#include "dial/dialer.h"

#include <memory>
#include <string>

namespace sallyport::dial {

std::unique_ptr<Dialled> make_quic_attempt(Context& context, const net::SocketAddress& address, Peer peer,
                                           Security security, DialEvents& events);
/// Inside a tunnel that `hop` is asked for by `proxy`, which outlives this.
std::unique_ptr<Dialled> make_tunnelled_quic_attempt(Context& context, http::Connection& hop,
                                                     const masque::ProxyTemplate& proxy,
                                                     const std::string& token, Peer peer, Security security,
                                                     DialEvents& events);
/// `peer` has addresses.
std::unique_ptr<Dialled> make_tcp_attempt(Context& context, Peer peer, Security security, DialEvents& events);
std::unique_ptr<Dialled> make_tunnelled_tcp_attempt(Context& context, http::Connection& hop,
                                                    const std::string& token, Peer peer, Security security,
                                                    DialEvents& events);

/// What SNI says and the certificate must cover.
inline const std::string& server_name(const Peer& peer, const Security& security) {
  return security.server_name.empty() ? peer.host : security.server_name;
}
inline std::shared_ptr<const tls::Trust> trust(const Context& context, const Security& security) {
  return security.trust ? security.trust : context.trust;
}
/// Null where they would be those of another trust.
inline tls::SessionCache* sessions(const Context& context, const Security& security) {
  return !security.trust || security.trust == context.trust ? context.sessions : nullptr;
}
/// Its key in there.
inline std::string session_key(const Peer& peer, const Security& security) {
  return masque::Target{server_name(peer, security), peer.port}.to_string();
}

}  // namespace sallyport::dial
