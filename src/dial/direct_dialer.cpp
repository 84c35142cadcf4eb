#include "dial/direct_dialer.h"

#include "dial/address_race.h"
#include "dial/lookup.h"

#include <utility>

namespace sallyport::dial {
namespace {

/// A peer's addresses: looked up where they are not known, then over QUIC raced here. TCP's are raced below,
/// before anything is secured.
class DirectDialled final : public AddressRace {
 public:
  DirectDialled(Context& context, Peer to, Security security, DialEvents& events)
      : AddressRace(context, std::move(to), std::move(security), events),
        lookup_(context, peer().host, peer().port,
                [this](Result<std::vector<net::SocketAddress>> found) { looked_up(std::move(found)); }) {}

  void start() override {
    if (peer().addresses.empty()) return lookup_.start();
    try_all();
  }

  void abandon() override {
    lookup_.cancel();
    AddressRace::abandon();
  }

  Tried tried() const override {
    if (const Dialled* one = current()) return one->tried();
    return {.name = over_quic() ? "QUIC" : "TCP", .target = peer().name()};
  }
  bool over_quic() const override { return security_.layer == Security::Layer::quic; }

 private:
  void looked_up(Result<std::vector<net::SocketAddress>> found) {
    if (!found) return end(&found.error());
    peer().addresses = std::move(*found);
    try_all();
  }

  void try_all() {
    if (over_quic()) return begin();
    try_it(make_tcp_attempt(context_, peer(), security_, *this));
  }

  std::unique_ptr<Dialled> make(std::size_t number) override {
    const net::SocketAddress address = peer().addresses[number];
    return make_quic_attempt(
        context_,
        {"QUIC", address.to_string(), [this, address] { return context_.outbound.open_udp(address); }},
        peer(), security_, *this);
  }

  Lookup lookup_;
};

}  // namespace

std::unique_ptr<Dialled> DirectDialer::dial(Peer peer, Security security, DialEvents& events) {
  return std::make_unique<DirectDialled>(context_, std::move(peer), std::move(security), events);
}

}  // namespace sallyport::dial
