// ClientCertificate: the certificate by which a client authenticated itself to a server, which verified it.
// For logs, and for those to whom the server passes it on. Shared by a connection's exchanges; holds no key.
#pragma once

#include <string>
#include <vector>

namespace sallyport::tls {

struct ClientCertificate {
  std::string subject;      ///< its distinguished name as RFC 4514 writes it; empty: it has none
  std::string fingerprint;  ///< SHA-256 of the certificate in DER, in hexadecimal digits
  /// As they were sent, the client's own first; each in DER, in base64 (RFC 4648 §4). Never empty.
  std::vector<std::string> chain;
};

}  // namespace sallyport::tls
