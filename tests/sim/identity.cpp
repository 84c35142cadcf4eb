#include "identity.h"

#include "tls/certificate.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace sallyport::sim {
namespace {

// Nobody's secret: it protects nothing but simulations. Valid until the year 2999.
constexpr const char* key_pem = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIN/ziU/i0LfgRV2K0piCz26NuFfTTaKcbQ86b645xRgN
-----END PRIVATE KEY-----
)";
constexpr const char* certificate_pem = R"(-----BEGIN CERTIFICATE-----
MIIBPjCB8aADAgECAgEBMAUGAytlcDATMREwDwYDVQQDDAhzaW0udGVzdDAgFw0y
MDAxMDEwMDAwMDBaGA8yOTk5MTIzMTIzNTk1OVowEzERMA8GA1UEAwwIc2ltLnRl
c3QwKjAFBgMrZXADIQC3jZlLW5v7cqPi9WbKKmiqJrQ/UFAZ7ro1CfZHf3YK9KNo
MGYwFQYDVR0RBA4wDIIKKi5zaW0udGVzdDAMBgNVHRMBAf8EAjAAMAsGA1UdDwQE
AwIHgDATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHQ4EFgQUJigVif734XPdODF+
3Z9QRJ5K1D4wBQYDK2VwA0EAF6/3tvfBLpK0NLfhisupFCJ7/RlmOoWuSH62NvUK
K29Z8R8ZN6awziClNQPfPcF+HqlhnpkMS7I2Z8fLuMYrCQ==
-----END CERTIFICATE-----
)";

/// Trust is read from a file, as users give it.
std::shared_ptr<const tls::Trust> read_trust() {
  const std::string file = testing::TempDir() + "sallyport-sim-ca-" + std::to_string(::getpid()) + ".pem";
  std::ofstream(file) << certificate_pem;
  auto trust = tls::Trust::make({.ca_files = {file}});
  ::unlink(file.c_str());
  EXPECT_TRUE(trust) << trust.error().message;
  return *trust;
}

}  // namespace

std::shared_ptr<const tls::ServerCredentials> server_credentials() {
  static const auto credentials = *tls::ServerCredentials::make({{certificate_pem, key_pem}});
  return credentials;
}

std::shared_ptr<const tls::Trust> client_trust() {
  static const auto trust = read_trust();
  return trust;
}

}  // namespace sallyport::sim
