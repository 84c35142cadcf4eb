#include "quic/packet_protection.h"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>

namespace sallyport::quic {
namespace {

// The same as ngtcp2_crypto_encrypt_cb and ngtcp2_crypto_decrypt_cb, but for a search through GnuTLS's table
// of ciphers that they do for each packet to learn the tag's size; `aead` knows it.

int seal(std::uint8_t* out, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
         const std::uint8_t* plain, std::size_t plain_size, const std::uint8_t* nonce, std::size_t nonce_size,
         const std::uint8_t* header, std::size_t header_size) {
  // A Retry's integrity tag (RFC 9001 §5.8) is sealed with nothing in it; it is not a packet of ours.
  if (PacketTap* tap = TapScope::current(); tap != nullptr && plain_size != 0)
    tap->on_seal({header, header_size}, {plain, plain_size});
  std::size_t sealed_size = plain_size + aead->max_overhead;
  const auto cipher = static_cast<gnutls_aead_cipher_hd_t>(context->native_handle);
  return gnutls_aead_cipher_encrypt(cipher, nonce, nonce_size, header, header_size, aead->max_overhead, plain,
                                    plain_size, out, &sealed_size) == 0
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

int open(std::uint8_t* out, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
         const std::uint8_t* sealed, std::size_t sealed_size, const std::uint8_t* nonce,
         std::size_t nonce_size, const std::uint8_t* header, std::size_t header_size) {
  if (sealed_size < aead->max_overhead) return NGTCP2_ERR_DECRYPT;
  std::size_t plain_size = sealed_size - aead->max_overhead;
  const auto cipher = static_cast<gnutls_aead_cipher_hd_t>(context->native_handle);
  if (gnutls_aead_cipher_decrypt(cipher, nonce, nonce_size, header, header_size, aead->max_overhead, sealed,
                                 sealed_size, out, &plain_size) != 0)
    return NGTCP2_ERR_DECRYPT;
  if (PacketTap* tap = TapScope::current(); tap != nullptr)
    tap->on_open({header, header_size}, {out, plain_size});
  return 0;
}

}  // namespace

void install_packet_protection(ngtcp2_callbacks& callbacks) {
  callbacks.encrypt = seal;
  callbacks.decrypt = open;
  callbacks.hp_mask = ngtcp2_crypto_hp_mask_cb;
  callbacks.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  callbacks.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
}

}  // namespace sallyport::quic
