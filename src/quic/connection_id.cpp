#include "quic/connection_id.h"

namespace sallyport::quic {

ConnectionIdLayout::Id ConnectionIdLayout::make(const ConnectionIdOwner& owner, Random& random) {
  Id id;
  id[worker_offset] = owner.worker;
  id[server_offset] = static_cast<std::uint8_t>(owner.server >> 8);
  id[server_offset + 1] = static_cast<std::uint8_t>(owner.server);
  random.fill(MutableBytes(id).subspan(random_offset));
  return id;
}

std::optional<ConnectionIdOwner> ConnectionIdLayout::owner_of(Bytes id) {
  if (id.size() != length) return std::nullopt;
  return ConnectionIdOwner{static_cast<std::uint16_t>(id[server_offset] << 8 | id[server_offset + 1]),
                           id[worker_offset]};
}

}  // namespace sallyport::quic
