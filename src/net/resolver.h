// Names to addresses. Resolver is an interface so that masque's policy can be tested without a network; the
// real one asks getaddrinfo on threads of its own. Happy Eyeballs (RFC 8305) orders the answers and races
// the attempts.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/attempt_schedule.h"
#include "net/event_loop.h"
#include "net/tcp.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::net {

/// Destroying it before its callback ran cancels the lookup.
class Resolution {
 public:
  virtual ~Resolution() = default;
};

class Resolver {
 public:
  using Answer = std::function<void(Result<std::vector<IpAddress>>)>;
  virtual ~Resolver() = default;
  /// An address literal is answered without a lookup. The callback never runs inside this call. An empty
  /// answer is an Error of kind resolve. `asker`: the client on whose behalf the name is resolved, for
  /// fairness (lookup_queue.h); the default address is this program itself.
  [[nodiscard]] virtual std::unique_ptr<Resolution> resolve(const std::string& host, const IpAddress& asker,
                                                            Answer answer) = 0;
};

std::unique_ptr<Resolver> make_system_resolver(EventLoop& loop);

/// Alternates families, the first answer's family first (RFC 8305 §4).
std::vector<IpAddress> interleave_families(std::vector<IpAddress> addresses);

/// Races TCP connects over `addresses` in order, the next one started `delay` after the last or when it
/// failed (RFC 8305 §5). Calls back once, with the first connection established or the last error; before
/// that, `failed` (may be null) is called for each address that could not be reached.
std::unique_ptr<TcpConnecting> happy_eyeballs_connect(EventLoop& loop, std::vector<IpAddress> addresses,
                                                      std::uint16_t port, Duration timeout,
                                                      const TcpOptions& options, TcpConnected connected,
                                                      TcpAddressFailed failed = nullptr,
                                                      Duration delay = attempt_delay);

}  // namespace sallyport::net
