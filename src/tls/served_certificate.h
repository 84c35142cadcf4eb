// ServedCertificate: the names of the certificate that a server used on a connection: the hosts that may be
// requested on it (RFC 9110 §7.4). Shared by connections; may outlive the credentials; holds no key.
#pragma once

#include "tls/names.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tls {

class ServedCertificate {
 public:
  ServedCertificate(std::vector<std::string> names, std::string fingerprint);
  /// Whether it covers `host`, a name or an address without port. Fast enough for each request.
  bool covers(std::string_view host) const { return !index_.find(host).empty(); }
  /// DNS names in lower case, then addresses.
  const std::vector<std::string>& names() const { return names_; }
  /// SHA-256 of the certificate in DER, in hexadecimal digits.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  const std::vector<std::string> names_;
  const std::string fingerprint_;
  NameIndex index_;
};

}  // namespace sallyport::tls
