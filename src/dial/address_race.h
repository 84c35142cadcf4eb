// AddressRace: a connection over QUIC to one of a peer's addresses: the next is tried a while after the last,
// or as soon as that failed (RFC 8305 §5); the first that is established is used. What DirectDialer makes
// over sockets, and HopDialer over flows of a CONNECT-IP tunnel.
#pragma once

#include "dial/attempt.h"
#include "dial/dialer.h"
#include "net/attempt_schedule.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace sallyport::dial {

class AddressRace : public Dialled, protected DialEvents {
 public:
  void abandon() override;
  http::Connection& connection() override { return ready_->connection(); }
  void measure(LinkFigures& figures) const override;
  void each_running(const std::function<void(const Dialled&)>& visit) const override;

 protected:
  AddressRace(Context& context, Peer peer, Security security, DialEvents& events);

  /// Tries the peer's addresses, of which there is one at least.
  void begin();
  /// One try more; its events come here.
  void try_it(std::unique_ptr<Dialled> child);
  /// It ended. Once; nothing follows.
  void end(const Error* why);
  /// Not inside their events: before what their paths run over goes.
  void destroy_tries();
  /// The one that is ready, or was begun last; null: none was.
  const Dialled* current() const;
  Peer& peer() { return peer_; }
  const Peer& peer() const { return peer_; }

  Context& context_;
  const Security security_;

 private:
  /// A try to reach the address of that number.
  virtual std::unique_ptr<Dialled> make(std::size_t number) = 0;

  void on_ready(Dialled& child) override;
  void on_ended(Dialled& child, const Error* why) override;
  void on_address_failed(const Tried& tried, const Error& why) override;
  void end_failed();

  Peer peer_;
  DialEvents* events_;
  std::vector<std::unique_ptr<Dialled>> children_;  // that run; the last one stays when it ended
  Dialled* ready_ = nullptr;
  std::vector<Failure> failures_;  // of addresses
  net::AttemptSchedule schedule_;
  Graveyard graveyard_;
};

}  // namespace sallyport::dial
