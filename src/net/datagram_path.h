// DatagramPath: sends and receives datagrams, in batches, with a current maximum size. Real ones are a UDP
// socket and a CONNECT-UDP flow; tests use a simulated link. A chain of hops is a quic::Connection over a
// DatagramPath that is a flow on another quic::Connection over a DatagramPath ... that is a UDP socket.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"

#include <algorithm>
#include <cstdint>

namespace sallyport::net {

/// The two ECN bits of the IP header (RFC 3168).
enum class Ecn : std::uint8_t { not_ect = 0, ect1 = 1, ect0 = 2, ce = 3 };

/// Datagrams of one NetPath laid end to end: each `segment_size` bytes long but the last, which may be
/// shorter. This is the shape in which UDP_SEGMENT sends and UDP_GRO receives, so a run costs one system
/// call. An empty run stands for one datagram without payload, which UDP allows (count() is 0 then, and
/// for_each visits nothing).
struct DatagramRun {
  Bytes bytes;
  std::size_t segment_size = 0;  ///< > 0 where `bytes` is not empty
  Ecn ecn = Ecn::not_ect;

  std::size_t count() const { return bytes.empty() ? 0 : (bytes.size() + segment_size - 1) / segment_size; }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t at = 0; at < bytes.size(); at += segment_size)
      visit(bytes.subspan(at, std::min(segment_size, bytes.size() - at)));
  }
};

/// What an ICMP error (RFC 792, RFC 4443) reports of the remote end of a path. Not authenticated: an off-path
/// attacker may have forged it.
enum class Unreachable : std::uint8_t {
  hint,      ///< network or host unreachable or prohibited; perhaps transient (RFC 1122 §3.2.2.1)
  definite,  ///< port or protocol unreachable
};

/// Receives the datagrams of a DatagramPath.
class DatagramReceiver {
 public:
  /// The bytes are valid only during the call.
  virtual void on_datagrams(const NetPath& path, const DatagramRun& run, Time now) = 0;
  /// After a send() that returned `blocked`: there is room again.
  virtual void on_path_writable(Time /*now*/) {}
  /// max_datagram_size() has changed.
  virtual void on_max_datagram_size(std::size_t /*bytes*/) {}
  /// An ICMP error was received for a sent datagram, or there is no route. The path stays open; the receiver
  /// decides what to do. It may destroy the path in this call.
  virtual void on_unreachable(Unreachable /*kind*/, const Error& /*why*/) {}
  /// The path is closed (tunnel refused or ended). No further call follows.
  virtual void on_path_closed(const Error& /*why*/) {}

 protected:
  ~DatagramReceiver() = default;
};

enum class SendStatus : std::uint8_t {
  sent,
  blocked,    ///< taken, but wait for on_path_writable before the next send
  dropped,    ///< not taken: the queue is full or the path closed; counted by the path
  too_large,  ///< not taken: segment_size is over max_datagram_size()
};

class DatagramPath {
 public:
  virtual ~DatagramPath() = default;
  /// `receiver` is not owned and must outlive the path or be replaced by nullptr.
  virtual void set_receiver(DatagramReceiver* receiver) = 0;
  /// Sends the whole run or none of it. A connected path ignores `to`.
  virtual SendStatus send(const NetPath& to, const DatagramRun& run) = 0;
  /// The largest UDP payload, in bytes, that this path carries now. 65,527 where no limit is known.
  virtual std::size_t max_datagram_size() const = 0;
  /// The addresses of a connected path; for a listening socket, its local address and a default remote.
  virtual NetPath net_path() const = 0;
  /// Back-pressure, best effort: while false, received datagrams wait in a bounded queue below, which drops
  /// the excess. A path without such a queue still delivers; others may still deliver datagrams already read.
  virtual void set_reading(bool /*on*/) {}
};

}  // namespace sallyport::net
