// ServerSecret: the secret from which a server's keys for session tickets, address tokens and stateless
// resets are derived.
#pragma once

#include "base/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::tls {

/// The same for all workers, and for all replicas of a deployment when it comes from a file.
class ServerSecret {
 public:
  static ServerSecret random();
  /// The content of `path` (32 bytes to 64 KiB, of any form), used through HKDF (RFC 5869).
  static Result<ServerSecret> from_file(const std::string& path);
  /// A key of 32 bytes, determined by the secret and `label` only.
  std::array<std::uint8_t, 32> derive(std::string_view label) const;

 private:
  std::array<std::uint8_t, 32> secret_{};
};

}  // namespace sallyport::tls
