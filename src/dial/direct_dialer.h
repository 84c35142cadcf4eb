// DirectDialer: dials over net::Outbound's sockets. Finds the addresses of a name that comes without, and
// races them (RFC 8305 §5), over QUIC as over TCP. For the first link of a chain, and for whoever needs a
// connection of his own, as a pool of upstream connections does.
#pragma once

#include "dial/context.h"
#include "dial/dialer.h"

namespace sallyport::dial {

class DirectDialer final : public Dialer {
 public:
  /// `context` must outlive this.
  explicit DirectDialer(Context& context) : context_(context) {}
  std::unique_ptr<Dialled> dial(Peer peer, Security security, DialEvents& events) override;
  std::optional<std::string> hop() const override { return std::nullopt; }

 private:
  Context& context_;
};

}  // namespace sallyport::dial
