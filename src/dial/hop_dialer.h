// HopDialer: dials inside tunnels of a hop's connection: QUIC in CONNECT-UDP (RFC 9298), what runs over TCP
// in CONNECT (RFC 9110 §9.3.6). The hop finds the peer's address, unless one is given. For the second link of
// a chain and those after it.
#pragma once

#include "dial/context.h"
#include "dial/dialer.h"

#include <functional>

namespace sallyport::dial {

class HopDialer final : public Dialer {
 public:
  /// `connection` is asked for the hop's, which outlives what was dialled on it; null: it stands no more.
  /// `token`: the bearer token that the hop wants; empty: none. `context` must outlive this.
  HopDialer(Context& context, std::string title, std::function<http::Connection*()> connection,
            masque::ProxyTemplate proxy, std::string token)
      : context_(context),
        title_(std::move(title)),
        connection_(std::move(connection)),
        proxy_(std::move(proxy)),
        token_(std::move(token)) {}
  std::unique_ptr<Dialled> dial(Peer peer, Security security, DialEvents& events) override;
  std::optional<Hop> hop() const override { return Hop{title_, connection_() != nullptr}; }

 private:
  Context& context_;
  const std::string title_;
  const std::function<http::Connection*()> connection_;
  const masque::ProxyTemplate proxy_;
  const std::string token_;
};

}  // namespace sallyport::dial
