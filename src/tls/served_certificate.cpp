#include "tls/served_certificate.h"

#include <utility>

namespace sallyport::tls {

ServedCertificate::ServedCertificate(std::vector<std::string> names, std::string fingerprint)
    : names_(std::move(names)), fingerprint_(std::move(fingerprint)) {
  for (const std::string& name : names_) index_.add(name, 0);
}

}  // namespace sallyport::tls
