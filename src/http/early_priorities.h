// EarlyPriorities: what PRIORITY_UPDATE said of requests that have yet to come (RFC 9218 §7). A member of the
// connections of HTTP/2 and HTTP/3, where they are servers.
#pragma once

#include "http/message.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::http {

class EarlyPriorities {
 public:
  /// The last word on a stream counts. Where there is no room the oldest goes: its request will hardly come
  /// any more.
  void put(std::int64_t stream, const Priority& priority);
  /// For the request that came now; nullopt when nothing was said of it.
  std::optional<Priority> take(std::int64_t stream);

 private:
  std::vector<std::pair<std::int64_t, Priority>> known_;  // oldest first
};

}  // namespace sallyport::http
