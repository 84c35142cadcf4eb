// LeaseTunnel: a client's CONNECT-IP tunnel (RFC 9484) by hand, for LeaseChurn: it shows every packet that
// comes, those too that masque::IpTunnel would drop, and ends in ways that an IpTunnel never does.
#pragma once

#include "http/connection.h"
#include "masque/ip_capsules.h"
#include "masque/ip_scope.h"

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace sallyport::sim {

class LeaseTunnel final : http::ExchangeHandler {
 public:
  /// Who is told, never within a call of the tunnel's own.
  class Watcher {
   public:
    /// addresses() are there for the first time, or there are more.
    virtual void on_assigned(LeaseTunnel& tunnel) = 0;
    /// `destined`: whether it came for what the tunnel has, or has announced.
    virtual void on_packet(LeaseTunnel& tunnel, Bytes packet, bool destined) = 0;
    /// The gateway refused it or ended it, or its connection ended.
    virtual void on_gone(LeaseTunnel& tunnel, const std::string& why) = 0;

   protected:
    ~Watcher() = default;
  };

  struct Options {
    std::uint64_t number = 0;  ///< no other has it
    std::string identity, token;
    masque::IpScope scope;
    /// What it may be assigned.
    bool v4 = true, v6 = true;
  };

  LeaseTunnel(Watcher& watcher, http::Connection& connection, Options options);
  /// Its connection is gone, or it was never on one.
  ~LeaseTunnel() = default;
  LeaseTunnel(const LeaseTunnel&) = delete;
  LeaseTunnel& operator=(const LeaseTunnel&) = delete;

  const Options& options() const { return options_; }
  /// From the first addresses on, until either side has ended it.
  bool is_open() const { return !ended_ && !addresses_.empty(); }
  bool has_ended() const { return ended_; }
  const std::vector<net::IpAddress>& addresses() const { return addresses_; }
  bool has(const net::IpAddress& address) const;
  Time assigned_at() const { return assigned_at_; }
  std::uint64_t rejections() const { return rejections_; }
  /// Requests for addresses were sent before this, and have no answer.
  bool waits_since(Time before) const { return !unanswered_.empty() && last_asked_ < before; }

  /// May come before the gateway has answered.
  void request_addresses(std::span<const net::IpPrefix> wanted);
  void advertise(const net::IpPrefix& network);
  void send(Bytes packet);

  void finish();
  void reset();
  /// It is over, whatever comes: its client is about to go, or the gateway is about to end it.
  void forget() { ended_ = true; }

 private:
  void on_response(http::Exchange& exchange, const http::Response& head) override;
  void on_body(http::Exchange& exchange, Bytes body) override;
  void on_datagram(http::Exchange& exchange, Bytes datagram) override;
  Result<> on_capsule(http::Exchange& exchange, std::uint64_t type, Bytes value) override;
  void on_end(http::Exchange& exchange) override;
  void on_closed(http::Exchange& exchange, const Error* why) override;

  void assign(std::span<const masque::AssignedAddress> assigned);
  void gone(const std::string& why);

  Watcher& watcher_;
  const Options options_;
  http::Exchange* exchange_;  // null: on_closed was called
  bool ended_ = false;
  unsigned status_ = 0;
  std::string refusal_;
  std::vector<net::IpAddress> addresses_;
  std::optional<net::IpPrefix> network_;
  std::set<std::uint64_t> unanswered_;
  std::uint64_t last_request_ = 0, rejections_ = 0;
  Time assigned_at_{}, last_asked_{};
  std::vector<net::IpAddress> early_;  // destinations of packets that may have overtaken ADDRESS_ASSIGN
};

}  // namespace sallyport::sim
