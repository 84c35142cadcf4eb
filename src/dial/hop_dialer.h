// HopDialer: dials inside tunnels of a hop's connection: QUIC in CONNECT-UDP (RFC 9298) or CONNECT-IP (RFC
// 9484), what runs over TCP in CONNECT (RFC 9110 §9.3.6). The hop finds the peer's address, unless one is
// given. For the second link of a chain and those after it.
#pragma once

#include "dial/context.h"
#include "dial/dialer.h"

#include <functional>

namespace sallyport::dial {

class HopDialer final : public Dialer {
 public:
  /// The connections to the hop, which outlive what is dialled on them.
  struct Connections {
    std::function<http::Connection*()> free;  ///< one that takes a request now; null: none does
    std::function<void(Free)> when_free;      ///< as Dialer::when_free; makes one where none does
  };
  /// `by_ip`: QUIC goes in CONNECT-IP, and `proxy` is a template of that; else in CONNECT-UDP. `token`: the
  /// bearer token that the hop wants; empty: none. `context` must outlive this.
  HopDialer(Context& context, std::string title, Connections connections, masque::ProxyTemplate proxy,
            bool by_ip, std::string token)
      : context_(context),
        title_(std::move(title)),
        connections_(std::move(connections)),
        proxy_(std::move(proxy)),
        by_ip_(by_ip),
        token_(std::move(token)) {}
  void when_free(const Free& free) override { connections_.when_free(free); }
  std::unique_ptr<Dialled> dial(Peer peer, Security security, DialEvents& events) override;
  std::optional<std::string> hop() const override { return title_; }

 private:
  Context& context_;
  const std::string title_;
  const Connections connections_;
  const masque::ProxyTemplate proxy_;
  const bool by_ip_;
  const std::string token_;
};

}  // namespace sallyport::dial
