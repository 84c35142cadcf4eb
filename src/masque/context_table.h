// ContextTable: which contexts an exchange has (RFC 9298 §4, RFC 9484 §5): the one place where the context ID
// of an HTTP datagram that came is looked up, by proxies and clients, of CONNECT-UDP and CONNECT-IP. Context
// 0 is there from the start. Extensions register theirs here: the client's are even, the proxy's odd. One an
// exchange, owned by whoever handles it; idle tunnels have no more than the object itself.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "masque/context_id.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace sallyport::masque {

/// How the datagrams of a context are to be read. An extension adds its own.
enum class ContextFormat : std::uint8_t {
  payload,  ///< of context 0: a UDP payload (RFC 9298 §5) or an IP packet (RFC 9484 §6)
};

struct Context {
  ContextFormat format = ContextFormat::payload;
  std::uint32_t index = 0;  ///< the extension's own: which of its contexts it is
  friend bool operator==(const Context&, const Context&) = default;
};

class ContextTable {
 public:
  enum class Side : std::uint8_t { client, proxy };

  /// Contexts beside 0 that may be registered at once: each costs memory, and a peer registers for nothing.
  static constexpr std::size_t max_registered = 64;

  /// `own`: which end of the tunnel we are. `unknown` counts, over all tables that share it, the datagrams
  /// that were dropped because their context is not registered or their context ID is cut short; it must
  /// outlive the table.
  ContextTable(Side own, std::uint64_t& unknown);
  ~ContextTable();
  ContextTable(const ContextTable&) = delete;
  ContextTable& operator=(const ContextTable&) = delete;

  struct Found {
    Context context;
    Bytes payload;
  };
  /// What `datagram` (context ID and payload) is. Nothing: it is to be dropped, silently, and is counted (RFC
  /// 9298 §4, RFC 9484 §6 allow to hold it for a registration under way; no extension of ours needs that).
  std::optional<Found> find(Bytes datagram) {
    if (!datagram.empty() && datagram[0] == 0) return Found{{}, datagram.subspan(1)};
    return find_other(datagram);
  }

  /// Registers a context of our own for datagrams of both ends; returns its ID, which was never used on this
  /// exchange. Error kind resource: there are max_registered.
  Result<std::uint64_t> allocate(const Context& context);
  /// The peer registers a context that it allocated. Errors: protocol, the ID is not its to allocate, or it
  /// is registered or was of late (RFC 9484 §5: IDs are not re-allocated); resource, there are
  /// max_registered.
  Result<> register_peers(std::uint64_t id, const Context& context);
  /// Its datagrams are unknown from here on. Nothing happens where it is not registered; context 0 stays.
  void close(std::uint64_t id);
  std::size_t registered() const;

  /// See ExchangeHandler: what our own padding begins with, and whether the peer's padding this is. A context
  /// that the peer registered is none, whatever its ID.
  Bytes padding_prefix() const;
  bool is_padding(Bytes datagram) const;

 private:
  struct Registrations;

  std::optional<Found> find_other(Bytes datagram);
  bool is_own(std::uint64_t id) const { return (id % 2 == 0) == (own_ == Side::client); }
  Registrations& registrations();

  std::uint64_t& unknown_;
  std::unique_ptr<Registrations> registrations_;  // null until there is more than context 0
  const Side own_;
};

}  // namespace sallyport::masque
