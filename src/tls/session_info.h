// SessionInfo: what a finished TLS handshake agreed on, for logs, traces and figures; the same over TCP and
// over QUIC.
#pragma once

#include <memory>
#include <string>

namespace sallyport::tls {

class ServedCertificate;

struct SessionInfo {
  std::string alpn;         ///< empty for none
  std::string server_name;  ///< SNI; empty for none
  std::string version;      ///< "TLS1.3"
  std::string cipher;       ///< the IANA name of the cipher suite
  bool resumed = false;
  bool early_data_accepted = false;  ///< 0-RTT; QUIC only
  /// A server: the certificate that was shown; where the session was resumed, which shows none, the one that
  /// would have been. Null in a client.
  std::shared_ptr<const ServedCertificate> certificate;
};

}  // namespace sallyport::tls
