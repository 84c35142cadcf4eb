// CapsuleTunnel: what a client's tunnels by extended CONNECT and the Capsule Protocol (RFC 9297) have in
// common, whatever they carry: the request, the checks of its response (docs/threat-model.md, "lying hop"),
// the lookup of contexts, and the end, told once and in a sentence. UdpTunnel and IpTunnel are built on it.
#pragma once

#include "base/lifetime.h"
#include "http/connection.h"
#include "masque/context_table.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sallyport::masque {

class CapsuleTunnel : protected http::ExchangeHandler {
 public:
  CapsuleTunnel(const CapsuleTunnel&) = delete;
  CapsuleTunnel& operator=(const CapsuleTunnel&) = delete;

 protected:
  struct Events {
    /// The proxy answered 2xx. `next_hop` from its Proxy-Status, or empty.
    std::function<void(const std::string& next_hop)> opened;
    /// The proxy refused, or the tunnel ended. Said once.
    std::function<void(const Error& why)> closed;
  };

  /// `target`: where the tunnel leads, as sentences name it. `method`: what the hop has to speak,
  /// "CONNECT-IP".
  CapsuleTunnel(http::Connection& over, std::string target, std::string_view method, Events events);
  ~CapsuleTunnel();

  /// Sends the request, with `capsule-protocol` added. Calls back before it returns when it can leave at
  /// once, so the derived object is complete by then.
  void ask(http::Connection& over, http::Request request);

  /// A datagram of a registered context.
  virtual void on_packet(const ContextTable::Found& found) = 0;
  /// After `closed`; not where that destroyed this.
  virtual void on_ended(const Error& why) = 0;

  /// Null before ask(), and after the end.
  http::Exchange* exchange() const { return ended_ ? nullptr : exchange_; }
  bool is_open() const { return opened_ && !ended_; }
  /// There was a response, whatever it said.
  bool was_answered() const { return answered_; }
  std::uint64_t dropped_context() const { return dropped_context_; }
  Time now() const { return timers_.now(); }
  void break_off(http::ResetCode code, const Error& why);
  const std::string& target() const { return target_; }

 private:
  void on_response(http::Exchange& from, const http::Response& head) final;
  void on_body(http::Exchange& from, Bytes body) final;
  void on_end(http::Exchange& from) final;
  void on_datagram(http::Exchange& from, Bytes datagram) final;
  bool is_padding(Bytes datagram) const final { return contexts_.is_padding(datagram); }
  Bytes padding_prefix() const final { return contexts_.padding_prefix(); }
  void on_closed(http::Exchange& from, const Error* why) final;

  Error wrong_answer(const std::string& answer) const;
  void end(const Error& why);

  const std::string target_;
  const std::string_view method_;
  Events events_;
  net::Timers& timers_;
  const http::Version version_;
  std::uint64_t dropped_context_ = 0, found_ = 0;
  ContextTable contexts_{ContextTable::Side::client, dropped_context_};
  bool answered_ = false, opened_ = false;
  bool ended_ = false;  // `closed` was said
  Lifetime lifetime_;
  http::Exchange* exchange_ = nullptr;  // null before the request is made and after on_closed
};

}  // namespace sallyport::masque
