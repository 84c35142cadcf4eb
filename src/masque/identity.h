// Identity: whom a client showed itself to be, for limits, metrics, the log and, in time, policy. Found by
// Authenticator; a Flow keeps it as long as its tunnel.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace sallyport::masque {

/// Names one credential without telling it: a keyed digest, the same for as long as the process runs. All
/// zeros: none was shown. What passwords and certificates are to be known by will be one, too.
using CredentialId = std::array<std::uint8_t, 32>;

struct Identity {
  std::string name;  ///< as the operator's file has it; empty where nobody is asked (open proxy, loopback)
  CredentialId credential{};

  bool is_known() const { return !name.empty(); }
  bool operator==(const Identity&) const = default;
};

}  // namespace sallyport::masque
