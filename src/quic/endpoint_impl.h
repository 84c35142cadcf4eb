// Endpoint::Impl: a worker's connections, and its stateless answers to packets of no connection. For quic's
// own files: endpoint.cpp (finding connections, keeping them), endpoint_initial.cpp (accepting new ones),
// endpoint_reply.cpp (stateless answers).
#pragma once

#include "quic/address_token.h"
#include "quic/connection_impl.h"
#include "quic/endpoint.h"
#include "quic/id_map.h"
#include "quic/rate_limit.h"

#include <memory>
#include <vector>

namespace sallyport::quic {

/// One connection of an endpoint, or its remains in the closing or draining period.
struct EndpointMember {
  std::unique_ptr<Connection> connection;    // null after the end
  std::unique_ptr<Application> application;  // goes before the connection it refers to
  std::uint64_t original_key = 0;            // of the client's first Destination Connection ID
  std::size_t index = 0;                     // in Endpoint::Impl::members
  struct Remains {
    std::vector<std::uint64_t> keys;
    std::vector<std::uint8_t> close_packet;
    Time forget_at{};
    EverRarer close_answers;
  };
  std::unique_ptr<Remains> remains;
};

struct Endpoint::Impl final : Connection::Impl::Keeper {
  Impl(Endpoint& face, const Environment& environment, net::DatagramPath& path, ServerOptions options,
       Accept accept);
  ~Impl();

  // endpoint.cpp
  EndpointMember* find(Bytes datagram) const;
  void deliver(EndpointMember& member, const net::NetPath& from, const net::DatagramRun& run, Time now);
  void forget(EndpointMember& member);
  void sweep(Time now);
  WallTime wall_time(Time now) const;

  // endpoint_initial.cpp
  void on_unknown(const net::NetPath& from, Bytes datagram, net::Ecn ecn, Time now);
  void on_initial(const ngtcp2_pkt_hd& initial, const net::NetPath& from, Bytes datagram, net::Ecn ecn,
                  Time now);
  void accept_connection(const ngtcp2_pkt_hd& initial, const ngtcp2_cid& original_id,
                         ngtcp2_token_type token_type, const net::NetPath& from, Bytes datagram, net::Ecn ecn,
                         Time now);
  bool is_stray(Bytes id) const;

  // endpoint_reply.cpp
  void reply(const net::NetPath& to, Bytes packet);
  void reply_version_negotiation(const net::NetPath& to, const ngtcp2_version_cid& asked, Time now);
  void reply_retry(const net::NetPath& to, const ngtcp2_pkt_hd& initial, Time now);
  void reply_close(const net::NetPath& to, const ngtcp2_pkt_hd& initial, std::uint64_t code, Time now);
  void reply_reset(const net::NetPath& to, Bytes datagram, Time now);
  void make_reset_token(const ngtcp2_cid& id, std::uint8_t* token) const;

  // Keeper
  Application& make_application(EndpointMember& member) override;
  bool make_id(ngtcp2_cid& id, std::uint8_t* reset_token) override;
  RegionPool& regions() override { return region_pool; }
  void add_id(EndpointMember& member, const ngtcp2_cid& id) override;
  void remove_id(const ngtcp2_cid& id) override;
  std::vector<std::uint8_t> make_address_token(const net::NetPath& path, std::uint32_t version,
                                               Time now) override;
  void on_handshake_end(EndpointMember& member, bool completed) override;
  void on_moved(EndpointMember& member) override;
  bool is_blocked() const override { return !waiting.empty(); }
  void wait_for_path(EndpointMember& member) override { waiting.push_back(&member); }
  void on_ended(EndpointMember& member, std::vector<std::uint8_t> close_packet, Duration keep) override;

  Environment environment;
  net::DatagramPath& path;
  ServerOptions options;
  std::shared_ptr<const Config> config;
  Accept accept;
  StrayHandler on_stray;
  AddressTokens tokens;
  std::array<std::uint8_t, 32> reset_secret;
  tls::QuicServerOptions tls_version_1,
      tls_version_2;  // they differ by the key of their tickets (RFC 9369 §5)

  RegionPool region_pool;  // before all members that hold connections
  IdMap<EndpointMember> ids;
  std::vector<std::unique_ptr<EndpointMember>> members;
  std::vector<EndpointMember*> waiting;                // until the path is writable
  std::vector<std::unique_ptr<EndpointMember>> ended;  // to be destroyed, no longer running any of their code
  std::vector<EndpointMember*> remembered;             // of `members`: those with remains
  net::Deferred burial;
  net::Timer sweep_timer;
  bool accepting = true;
  EndpointStats stats;

  RateLimit version_negotiations, resets, refusals;
};

}  // namespace sallyport::quic
