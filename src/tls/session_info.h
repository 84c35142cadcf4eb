// SessionInfo: the parameters negotiated by a TLS handshake, for logs, traces and figures; over TCP and QUIC.
#pragma once

#include <memory>
#include <string>

namespace sallyport::tls {

class ServedCertificate;
struct ClientCertificate;

struct SessionInfo {
  std::string alpn;         ///< empty for none
  std::string server_name;  ///< SNI; empty for none
  std::string version;      ///< "TLS1.3"
  std::string cipher;       ///< the IANA name of the cipher suite
  bool resumed = false;
  bool early_data_accepted = false;  ///< 0-RTT; QUIC only
  /// On a server: its certificate; after resumption, the one that a full handshake would have used. Null on a
  /// client.
  std::shared_ptr<const ServedCertificate> certificate;
  /// On a server that asked for it: what it verified. Null where the client has none.
  std::shared_ptr<const ClientCertificate> client_certificate;
};

}  // namespace sallyport::tls
