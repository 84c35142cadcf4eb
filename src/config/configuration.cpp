#include "config/configuration.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace sallyport::config {
namespace {

template <class T>
bool same(const std::shared_ptr<const T>& one, const std::shared_ptr<const T>& other) {
  return one == other || (one && other && one->same_as(*other));
}

Result<> validate_listeners(const std::vector<Listener>& listeners) {
  if (listeners.empty()) return fail(ErrorKind::usage, "there is no listener; give --listen HOST:PORT");
  std::set<std::string> ids, addresses;
  for (const Listener& listener : listeners) {
    if (!ids.insert(listener.id).second)
      return fail(ErrorKind::usage, fmt::format("two listeners have the ID '{}'", listener.id));
    // Port 0 takes another one each time.
    if (listener.address.port() != 0 && !addresses.insert(listener.address.to_string()).second)
      return fail(ErrorKind::usage, fmt::format("--listen {} is given twice; leave one of them out",
                                                listener.address.to_string()));
    if (!listener.credentials)
      return fail(
          ErrorKind::usage,
          fmt::format("the listener {} has no certificate; give --cert FILE and --key FILE for it, or "
                      "--self-signed NAME",
                      listener.id));
    if (!listener.tcp && listener.alt_svc_port != 0)
      return fail(ErrorKind::usage,
                  "--alt-svc-port is advertised over TCP, which --no-tcp disables; give one of the two");
  }
  return {};
}

Result<> validate_masque(const Configuration& configuration) {
  const Masque& masque = *configuration.masque;
  if (masque.protocols.empty())
    return fail(ErrorKind::usage, "a proxy without a protocol does nothing; give --masque udp,tcp");
  if (masque.tokens && masque.open)
    return fail(ErrorKind::usage,
                "--token-file and --open-proxy contradict each other; give --token-file for those who have a "
                "token, --open-proxy for everybody");
  if (masque.tokens || masque.open) return {};
  const auto exposed = std::ranges::find_if(
      configuration.listeners, [](const Listener& listener) { return !listener.address.ip().is_loopback(); });
  if (exposed == configuration.listeners.end()) return {};
  return fail(
      ErrorKind::usage,
      fmt::format("--masque on {}, which other machines can reach, would be an open proxy; give "
                  "--token-file FILE with a line NAME TOKEN for each user, or --open-proxy if that is "
                  "meant",
                  exposed->address.to_string()));
}

}  // namespace

bool Listener::operator==(const Listener& other) const {
  return id == other.id && address == other.address && tcp == other.tcp &&
         alt_svc_port == other.alt_svc_port && same(credentials, other.credentials);
}

bool Masque::operator==(const Masque& other) const {
  return protocols == other.protocols && allow == other.allow && allow_ports == other.allow_ports &&
         never == other.never && same(tokens, other.tokens) && open == other.open &&
         max_tunnels == other.max_tunnels && udp_idle == other.udp_idle && tcp_idle == other.tcp_idle;
}

Result<> validate(const Configuration& configuration) {
  if (!configuration.files && !configuration.masque)
    return fail(ErrorKind::usage, "there is nothing to do; give --files DIR, --masque udp,tcp, or both");
  if (auto done = validate_listeners(configuration.listeners); !done) return done;
  return configuration.masque ? validate_masque(configuration) : Result<>{};
}

}  // namespace sallyport::config
