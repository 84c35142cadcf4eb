// Lookup: where a peer is, in the order to try: the addresses that a user gave for its name, else those of
// the name service, of the family that may be used, families in turn (RFC 8305 §4). For who connects
// directly.
#pragma once

#include "dial/context.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::dial {

/// Those that the user gave; empty: none.
std::vector<net::SocketAddress> pinned_addresses(const Context& context, const std::string& host,
                                                 std::uint16_t port);

/// Cancelled when destroyed, which may not be inside its callback.
class Lookup {
 public:
  using Found = std::function<void(Result<std::vector<net::SocketAddress>>)>;
  Lookup(Context& context, std::string host, std::uint16_t port, Found found);
  /// Calls back once, within the Context's `connect_timeout`, and maybe inside this call.
  void start();
  /// No answer comes any more.
  void cancel();

 private:
  void resolved(Result<std::vector<net::IpAddress>> answer);
  void finish(Result<std::vector<net::SocketAddress>> result);

  Context& context_;
  const std::string host_;
  const std::uint16_t port_;
  Found found_;
  std::unique_ptr<net::Resolution> resolution_;
  net::Timer deadline_;
};

}  // namespace sallyport::dial
