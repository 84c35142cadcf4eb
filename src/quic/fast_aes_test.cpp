#include "tls/fast_aes.h"

#include "base/hex.h"
#include "base/random.h"
#include "quic/key_derivation.h"

#include <vector>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

std::vector<std::uint8_t> bytes_of(std::string_view hex) {
  return *from_hex(hex);
}

// The Initial secrets of RFC 9001 appendix A.1 (the server's) and RFC 9369 appendix A.1 (the client's).
TEST(KeyDerivation, GivesTheKeysOfTheRfcs) {
  const auto v1 = Aes128PacketKeys::derive(
      bytes_of("3c199828fd139efd216c155ad844cc81fb82fa8d7446fa7d78be803acdda951b"), false);
  ASSERT_TRUE(v1);
  EXPECT_EQ(to_hex(v1->key), "cf3a5331653c364c88f0f379b6067e37");
  EXPECT_EQ(to_hex(v1->iv), "0ac1493ca1905853b0bba03e");
  EXPECT_EQ(to_hex(v1->header_key), "c206b8d9b9f0f37644430b490eeaa314");
  const auto v2 = Aes128PacketKeys::derive(
      bytes_of("14ec9d6eb9fd7af83bf5a668bc17a7e283766aade7ecd0891f70f9ff7f4bf47b"), true);
  ASSERT_TRUE(v2);
  EXPECT_EQ(to_hex(v2->key), "8b1a0bc121284290a29e0971b5cd045d");
  EXPECT_EQ(to_hex(v2->iv), "91f73e2351d8fa91660e909f");
  EXPECT_EQ(to_hex(v2->header_key), "45b95e15235d6f45a6b19cbcb0294ba9");
}

#if SALLYPORT_IPSEC_MB
TEST(FastAesChoice, IsTakenWhereTheProcessorHasVectorAes) {
  if (!__builtin_cpu_supports("vaes") || !__builtin_cpu_supports("vpclmulqdq"))
    GTEST_SKIP() << "this processor has no vector AES";
  EXPECT_TRUE(tls::has_fast_aes_gcm());
}
#endif

class FastAes : public testing::Test {
 protected:
  void SetUp() override {
    if (!tls::has_fast_aes_gcm())
      GTEST_SKIP() << "this processor has no vector AES, or this build no ipsec-mb";
  }
  static std::array<std::uint8_t, aes_128_key_size> key() {
    std::array<std::uint8_t, aes_128_key_size> key;
    system_random().fill(key);
    return key;
  }
};

TEST_F(FastAes, SealsAsGnutlsDoes) {
  const auto secret = key();
  const tls::FastAesGcm fast(secret);
  const gnutls_datum_t datum{const_cast<std::uint8_t*>(secret.data()), secret.size()};
  gnutls_aead_cipher_hd_t reference = nullptr;
  ASSERT_EQ(gnutls_aead_cipher_init(&reference, GNUTLS_CIPHER_AES_128_GCM, &datum), 0);
  std::vector<std::uint8_t> plain(2000), header(25), nonce(aes_gcm_nonce_size);
  system_random().fill(plain);
  system_random().fill(header);
  for (std::size_t size = 0; size < plain.size(); size = size < 70 ? size + 1 : size + 131) {
    system_random().fill(nonce);
    const Bytes text = Bytes(plain).first(size), associated = Bytes(header).first(1 + size % header.size());
    std::vector<std::uint8_t> expected(size + tls::aes_gcm_tag_size), sealed = expected;
    std::size_t sealed_size = expected.size();
    ASSERT_EQ(gnutls_aead_cipher_encrypt(reference, nonce.data(), nonce.size(), associated.data(),
                                         associated.size(), tls::aes_gcm_tag_size, text.data(), text.size(),
                                         expected.data(), &sealed_size),
              0);
    std::ranges::copy(text, sealed.begin());
    fast.seal(sealed.data(), Bytes(sealed).first(size), nonce,
              associated);  // in place, as ngtcp2 asks for it
    ASSERT_EQ(sealed, expected) << size;
    std::vector<std::uint8_t> opened(size + 1);
    ASSERT_TRUE(fast.open(opened.data(), sealed, nonce, associated)) << size;
    ASSERT_TRUE(std::ranges::equal(Bytes(opened).first(size), text)) << size;
  }
  gnutls_aead_cipher_deinit(reference);
}

TEST_F(FastAes, RefusesWhatWasChanged) {
  const tls::FastAesGcm fast(key());
  const std::vector<std::uint8_t> plain(100, 7), header{0x40, 1, 2}, nonce(aes_gcm_nonce_size, 9);
  std::vector<std::uint8_t> sealed(plain.size() + tls::aes_gcm_tag_size), out(plain.size());
  fast.seal(sealed.data(), plain, nonce, header);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    sealed[at] ^= 0x10;
    EXPECT_FALSE(fast.open(out.data(), sealed, nonce, header)) << at;
    sealed[at] ^= 0x10;
  }
  const std::vector<std::uint8_t> other_header{0x40, 1, 3};
  EXPECT_FALSE(fast.open(out.data(), sealed, nonce, other_header));
  EXPECT_TRUE(fast.open(out.data(), sealed, nonce, header));
}

// RFC 9001 appendix A.2.
TEST_F(FastAes, MasksHeadersAsTheRfcDoes) {
  const auto secret = bytes_of("9f50449e04a0e810283a1e9933adedd2");
  const auto sample = bytes_of("d1b1c98dd7689fb8ec11d242b123dc9b");
  const tls::FastAesHeaderMask mask(Bytes(secret).first<aes_128_key_size>());
  EXPECT_EQ(to_hex(Bytes(mask.mask(sample.data())).first(5)), "437b9aec36");
}

}  // namespace
}  // namespace sallyport::quic
