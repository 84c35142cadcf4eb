// What is said of a peer that could not be reached: what was tried, how far it got, which try tells most, and
// the sentence. Errors below this are about one try and name nobody; here, where it is known whether the peer
// or the hop before it failed, each gets the title of the one that did, once. Used by Link and Chain.
#pragma once

#include "base/result.h"
#include "net/timers.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sallyport::dial {

/// How far a try got.
enum class Reach : std::uint8_t {
  nothing,   ///< nobody answered, or said no
  path,      ///< to the peer's host: TCP, or a tunnel that the hop opened
  answered,  ///< the peer itself answered
};

/// A try to reach a peer in one way, as it stands.
struct Tried {
  std::string name;    ///< "QUIC", "TCP", or what a hop is asked for: "CONNECT-UDP", "CONNECT"
  std::string target;  ///< the address, or addresses, or what the hop is asked for
  Reach reach = Reach::nothing;
  std::optional<Error> tunnel_error{};  ///< why the hop refused or ended the tunnel
  /// The largest UDP payload in the CONNECT-UDP or CONNECT-IP tunnel it runs in, bytes.
  std::optional<std::size_t> tunnel_size{};
  std::size_t tunnel_headers = 0;  ///< in CONNECT-IP: of IP and UDP, in front of that
  std::string
      owed{};  ///< what the hop that opened the tunnel has not given yet: "an address"; empty: nothing

  /// The hop opened no tunnel, and said why.
  bool is_refused() const { return reach == Reach::nothing && tunnel_error; }
  /// And every other sort of tunnel to that target would be refused so too.
  bool is_refused_for_all() const;
};

/// What is to be learned from a try that failed. It is mostly how far it got (Reach); but UDP has no
/// handshake, so that a hop opens a tunnel to a target that is not there, and can give no reason when it ends
/// it. Its refusal of CONNECT has one.
enum class Tells : std::uint8_t { nothing, target_lost, reason, path, answered };

/// Why a try failed.
struct Failure {
  Error error;          ///< names nobody
  bool of_hop = false;  ///< it is the hop's, not the peer's
  std::string name;     ///< of what was tried
  Reach reach = Reach::nothing;
  Tells tells = Tells::nothing;
};

/// Words the failures of one peer.
class FailureWords {
 public:
  /// `hop`: the title of the hop before it; empty: there is none. `patience`: how long an answer may take.
  /// `advice`: stands behind an error where the peer did not answer; empty: nothing.
  FailureWords(std::string title, std::string hop, Duration patience, std::string advice = {});

  /// A try ended because of `why`; `was_ready`: after it had been ready.
  Failure explain(const Tried& tried, const Error& why, bool was_ready) const;
  /// A try ended in order, and too early.
  Failure closed(const Tried& tried) const;
  /// A try had no end within the patience.
  Failure silence(const Tried& tried) const;
  /// The path inside the hop carries less than QUIC needs; nothing else need be told then.
  std::optional<Failure> too_narrow(const Tried& tried) const;
  /// The name had no answer within the patience.
  static Error unresolved(const std::string& host, Duration patience);

  /// With the title of who failed.
  Error titled(const Failure& failure) const;
  Error of_peer(Error error) const;
  Error of_hop(Error error) const;
  /// For who wants to hear of each try, with the title.
  std::string line(const Tried& tried, const Failure& failure) const;
  /// All that was tried failed, in this order. The one is told that tells most or, of those, was first; and,
  /// where no hop is asked, what became of the other protocol.
  Error told(std::vector<Failure> failures) const;

 private:
  std::optional<Failure> unanswered(const Tried& tried) const;

  std::string title_, hop_;
  Duration patience_;
  std::string advice_;
};

/// The failure that tells most or, of those, was first. `failures` is not empty.
const Failure& most_telling(std::span<const Failure> failures);

/// When a hop was last heard of; Time{}: over TCP nobody knows.
struct Heard {
  std::string title;
  Time last{};
};

/// Nothing came for `silence`, as `why` says, of what is inside these hops, the nearest first. It is the
/// fault of the first that was silent itself about as long. (Half as long may be the pause between two tries
/// to reach what is inside, each of which it answers.)
Error blame_silence(const Error& why, std::span<const Heard> hops, Time now, Duration silence);

}  // namespace sallyport::dial
