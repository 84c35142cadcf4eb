#include "masque/ip_network.h"

#include <iterator>

namespace sallyport::masque {

bool ClientNetworks::claim(const net::IpPrefix& network) {
  const std::scoped_lock lock(mutex_);
  if (claimed_.size() >= most) return false;
  // Those that are claimed have nothing in common, so only the neighbours may overlap.
  const auto next = claimed_.lower_bound(network);
  if (next != claimed_.end() && next->overlaps(network)) return false;
  if (next != claimed_.begin() && std::prev(next)->overlaps(network)) return false;
  claimed_.insert(next, network);
  return true;
}

void ClientNetworks::release(const net::IpPrefix& network) {
  const std::scoped_lock lock(mutex_);
  claimed_.erase(network);
}

}  // namespace sallyport::masque
