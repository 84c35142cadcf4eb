// Chain: the hops of a client, one link inside the other, and the links to the origins at their end. Hops are
// shared by all origins and by all that runs over them; of one over HTTP/1.1, whose connection becomes the
// tunnel that it carries (RFC 9110 §9.3.6), there is a connection for each. Owned by a command; one a chain
// of proxies.
#pragma once

#include "dial/link.h"
#include "dial/url.h"
#include "masque/uri_template.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::dial {

struct ChainOptions {
  /// The first is the nearest. Templates for CONNECT-IP where that is what the hop carries, else for
  /// CONNECT-UDP.
  std::vector<masque::ProxyTemplate> hops;
  /// What the chain leads to is one hop more, and called so.
  bool leads_to_hop = false;
  /// Bearer tokens for the hops: none, one for all, or one for each. In Authorization for CONNECT-UDP, in
  /// Proxy-Authorization for CONNECT.
  std::vector<std::string> tokens;
  HttpChoice http = HttpChoice::automatic;  ///< with the origin
  HttpChoice hop_http = HttpChoice::h3;     ///< with the hops
  TunnelMode mode = TunnelMode::automatic;  ///< what the last hop carries
  /// What the hops before it carry, `udp` or `ip`: nothing (UDP), one for all, or one for each.
  std::vector<TunnelMode> hop_modes;
  std::function<void(std::string_view)> note;  ///< gets sentences about what was done in place of what; null
  /// Gets a sentence about each try to connect that failed, whether or not another succeeds; may be null.
  std::function<void(std::string_view)> attempt_failed;

  /// What hop `index` carries, from 0, where there are `count`.
  TunnelMode mode_of(std::size_t index, std::size_t count) const {
    if (index + 1 >= count) return mode;
    if (hop_modes.empty()) return TunnelMode::udp;
    return hop_modes.size() == 1 ? hop_modes.front() : hop_modes.at(index);
  }
};

class Chain {
 public:
  /// `context` must outlive the chain.
  Chain(Context& context, ChainOptions options);
  ~Chain();

  using Opened = std::function<void(Result<http::Connection*>)>;
  /// A connection to the origin of `url` that takes a request now: one that is open, or a new one through all
  /// hops. The callback may run inside this call, and should make its request before it returns: over
  /// HTTP/1.1 the next caller gets a connection of its own. A second call while one is being made waits for
  /// it. An origin that could not be reached is not tried again.
  void open(const Url& url, Opened opened);
  /// An origin that could not be reached is tried again by the next open().
  void forgive(const Url& url);
  /// Called when a connection that was opened breaks or is closed by the server (the origin's or a hop's),
  /// with the hop named in the error. After an origin's, the next open() makes a new one; after a hop's
  /// nothing more works (hop_failed()). Not of a hop's over HTTP/1.1, which ends with its tunnel: such a hop
  /// has failed when no other connection to it can be made.
  void set_broken_handler(std::function<void(const Error&)> broken);
  bool hop_failed() const;
  /// `why` a request to the origin of `url` ended; with the title of the hop or of the origin where it was
  /// because its connection ended.
  Error titled(const Url& url, const Error& why) const;
  /// Nothing came of a response for `silence`, as `why` says. Where a hop was silent itself about as long,
  /// though its connection is kept alive by PINGs, the error is the hop's.
  Error blame_silence(const Error& why, Duration silence) const;
  /// Ends everything in order, innermost first; `closed` is called when all is said, or after `patience`. A
  /// peer that does not end its side gets about as long as its handshake took.
  void shutdown(Duration patience, std::function<void()> closed);
  /// Hops first, then origins; several connections to one are next to each other, the newest last.
  std::vector<LinkFigures> figures() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::dial
