#include "tls/certificate_message.h"

#include "tls/authority_for_test.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

/// A certificate with such an RSA key, in DER.
std::vector<std::uint8_t> with_key(std::size_t modulus_bits, std::size_t exponent_bits) {
  const X509Certificate made = AuthorityForTest("CA").issue_for_rsa(modulus_bits, exponent_bits);
  Datum der;
  gnutls_x509_crt_export2(made.get(), GNUTLS_X509_FMT_DER, &der.value);
  return {der.value.data, der.value.data + der.value.size};
}

void put(std::vector<std::uint8_t>& out, std::size_t value, std::size_t width) {
  while (width-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * width)));
}

std::vector<std::uint8_t> message_of(const std::vector<std::uint8_t>& certificate, bool is_tls13) {
  std::vector<std::uint8_t> out;
  if (is_tls13) put(out, 0, 1);
  put(out, certificate.size() + 3 + (is_tls13 ? 2 : 0), 3);
  put(out, certificate.size(), 3);
  out.insert(out.end(), certificate.begin(), certificate.end());
  if (is_tls13) put(out, 0, 2);
  return out;
}

// docs/threat-model.md, "costly key".
TEST(CertificateMessage, ALargeRsaKeyIsRefused) {
  for (const bool is_tls13 : {false, true}) {
    EXPECT_EQ(concern_about_key(message_of(with_key(8192, 24), is_tls13), is_tls13), std::nullopt);
    EXPECT_EQ(concern_about_key(message_of(with_key(2048, 64), is_tls13), is_tls13), std::nullopt);
    EXPECT_THAT(concern_about_key(message_of(with_key(8200, 24), is_tls13), is_tls13),
                testing::Optional(testing::HasSubstr("a modulus of 8200 bits and an exponent of 24, where")));
    EXPECT_TRUE(concern_about_key(message_of(with_key(65536, 24), is_tls13), is_tls13));
    EXPECT_TRUE(concern_about_key(message_of(with_key(2048, 72), is_tls13), is_tls13));
  }
}

TEST(CertificateMessage, WhatIsNoneIsLeftToGnutls) {
  const auto whole = message_of(with_key(16384, 24), true);
  ASSERT_TRUE(concern_about_key(whole, true));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(concern_about_key(Bytes(whole).first(size), true), std::nullopt) << size;
  const std::vector<std::uint8_t> empty{0, 0, 0, 0};
  EXPECT_EQ(concern_about_key(empty, true), std::nullopt) << "no certificate";
}

}  // namespace
}  // namespace sallyport::tls
