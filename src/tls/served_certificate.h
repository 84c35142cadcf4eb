// ServedCertificate: which of a server's certificates a connection was given, by its names: what the
// connection may be asked for (RFC 9110 §7.4). Connections share it, and may keep it for longer than the
// credentials that it is of: it holds no key.
#pragma once

#include "tls/names.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tls {

class ServedCertificate {
 public:
  ServedCertificate(std::vector<std::string> names, std::string fingerprint);
  /// Whether it is for `host`, a name or an address without its port. Quick enough to ask for each request.
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
