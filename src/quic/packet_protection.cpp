#include "quic/packet_protection.h"

#include "quic/config.h"
#include "quic/key_derivation.h"
#include "tls/fast_aes.h"

#include <array>
#include <cstring>
#include <memory>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

namespace sallyport::quic {
namespace {

// A context of ngtcp2's holds a GnuTLS handle or one of our keys; ours have the lowest bit set, which no
// allocation's address has.

template <class T>
void* as_handle(std::unique_ptr<T> key) {
  return reinterpret_cast<std::uint8_t*>(key.release()) + 1;
}

/// Null when the handle is GnuTLS's.
template <class T>
T* own_key(void* handle) {
  if ((reinterpret_cast<std::uintptr_t>(handle) & 1) == 0) return nullptr;
  return reinterpret_cast<T*>(static_cast<std::uint8_t*>(handle) - 1);
}

// seal() and open() do for a GnuTLS handle the same as ngtcp2_crypto_encrypt_cb and ngtcp2_crypto_decrypt_cb,
// but for a search through GnuTLS's table of ciphers that those do for each packet to learn the tag's size;
// `aead` knows it.

int seal(std::uint8_t* out, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
         const std::uint8_t* plain, std::size_t plain_size, const std::uint8_t* nonce, std::size_t nonce_size,
         const std::uint8_t* header, std::size_t header_size) {
  // A Retry's integrity tag (RFC 9001 §5.8) is sealed with nothing in it; it is not a packet of ours.
  if (PacketTap* tap = TapScope::current(); tap != nullptr && plain_size != 0)
    tap->on_seal({header, header_size}, {plain, plain_size});
  if (const tls::FastAesGcm* key = own_key<tls::FastAesGcm>(context->native_handle)) {
    key->seal(out, {plain, plain_size}, {nonce, nonce_size}, {header, header_size});
    return 0;
  }
  std::size_t sealed_size = plain_size + aead->max_overhead;
  const auto cipher = static_cast<gnutls_aead_cipher_hd_t>(context->native_handle);
  return gnutls_aead_cipher_encrypt(cipher, nonce, nonce_size, header, header_size, aead->max_overhead, plain,
                                    plain_size, out, &sealed_size) == 0
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

bool authentic(std::uint8_t* out, const ngtcp2_crypto_aead& aead, void* handle, Bytes sealed, Bytes nonce,
               Bytes header) {
  if (const tls::FastAesGcm* key = own_key<tls::FastAesGcm>(handle))
    return key->open(out, sealed, nonce, header);
  std::size_t plain_size = sealed.size() - aead.max_overhead;
  return gnutls_aead_cipher_decrypt(static_cast<gnutls_aead_cipher_hd_t>(handle), nonce.data(), nonce.size(),
                                    header.data(), header.size(), aead.max_overhead, sealed.data(),
                                    sealed.size(), out, &plain_size) == 0;
}

int open(std::uint8_t* out, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
         const std::uint8_t* sealed, std::size_t sealed_size, const std::uint8_t* nonce,
         std::size_t nonce_size, const std::uint8_t* header, std::size_t header_size) {
  if (sealed_size < aead->max_overhead) return NGTCP2_ERR_DECRYPT;
  PacketTap* const tap = TapScope::current();
  if (!authentic(out, *aead, context->native_handle, {sealed, sealed_size}, {nonce, nonce_size},
                 {header, header_size})) {
    if (tap != nullptr) tap->on_undecryptable({header, header_size}, sealed_size);
    return NGTCP2_ERR_DECRYPT;
  }
  // ngtcp2 ignores a packet that fails authentication.
  if (tap != nullptr && !tap->on_open({header, header_size}, {out, sealed_size - aead->max_overhead}))
    return NGTCP2_ERR_DECRYPT;
  return 0;
}

int header_mask(std::uint8_t* out, const ngtcp2_crypto_cipher* cipher,
                const ngtcp2_crypto_cipher_ctx* context, const std::uint8_t* sample) {
  const tls::FastAesHeaderMask* key = own_key<tls::FastAesHeaderMask>(context->native_handle);
  if (key == nullptr) return ngtcp2_crypto_hp_mask_cb(out, cipher, context, sample);
  std::memcpy(out, key->mask(sample).data(), NGTCP2_HP_MASKLEN);
  return 0;
}

void delete_aead(ngtcp2_conn* conn, ngtcp2_crypto_aead_ctx* context, void* user_data) {
  if (tls::FastAesGcm* key = own_key<tls::FastAesGcm>(context->native_handle))
    delete key;
  else
    ngtcp2_crypto_delete_crypto_aead_ctx_cb(conn, context, user_data);
}

void delete_cipher(ngtcp2_conn* conn, ngtcp2_crypto_cipher_ctx* context, void* user_data) {
  if (tls::FastAesHeaderMask* key = own_key<tls::FastAesHeaderMask>(context->native_handle))
    delete key;
  else
    ngtcp2_crypto_delete_crypto_cipher_ctx_cb(conn, context, user_data);
}

/// Whether tls::FastAesGcm protects the connection's 1-RTT packets. Constant after the handshake.
bool is_ours(ngtcp2_conn* conn) {
  const auto cipher = reinterpret_cast<std::intptr_t>(ngtcp2_conn_get_crypto_ctx(conn)->aead.native_handle);
  return cipher == GNUTLS_CIPHER_AES_128_GCM && tls::has_fast_aes_gcm();
}

using InstallKey = decltype(ngtcp2_conn_install_rx_key);

bool install_own_key(ngtcp2_conn* conn, InstallKey& install, Bytes secret) {
  const bool v2 = ngtcp2_conn_get_negotiated_version(conn) == version_2;
  const auto keys = Aes128PacketKeys::derive(secret, v2);
  if (!keys) return false;
  auto aead = std::make_unique<tls::FastAesGcm>(keys->key);
  auto mask = std::make_unique<tls::FastAesHeaderMask>(keys->header_key);
  ngtcp2_crypto_aead_ctx aead_context{as_handle(std::move(aead))};
  ngtcp2_crypto_cipher_ctx mask_context{as_handle(std::move(mask))};
  if (install(conn, secret.data(), secret.size(), &aead_context, keys->iv.data(), keys->iv.size(),
              &mask_context) == 0)
    return true;
  delete_aead(conn, &aead_context, nullptr);
  delete_cipher(conn, &mask_context, nullptr);
  return false;
}

std::uint8_t key_bit(ngtcp2_encryption_level level, bool receiving) {
  return static_cast<std::uint8_t>(1u << (2 * static_cast<unsigned>(level) + (receiving ? 1 : 0)));
}

/// Each key is installed once; a KeyUpdate message is refused before it gets here (tls::QuicSession).
bool first_of_its_kind(CryptoBinding& binding, ngtcp2_encryption_level level, bool receiving) {
  const std::uint8_t bit = key_bit(level, receiving);
  if ((binding.installed_keys & bit) != 0) return false;
  binding.installed_keys |= bit;
  return true;
}

int on_secrets(gnutls_session_t session, gnutls_record_encryption_level_t record_level, const void* receiving,
               const void* sending, std::size_t size) {
  auto& binding = *static_cast<CryptoBinding*>(gnutls_session_get_ptr(session));
  ngtcp2_conn* const conn = binding.get_conn(&binding);
  const ngtcp2_encryption_level level =
      ngtcp2_crypto_gnutls_from_gnutls_record_encryption_level(record_level);
  const auto* rx = static_cast<const std::uint8_t*>(receiving);
  const auto* tx = static_cast<const std::uint8_t*>(sending);
  // A client's transport parameters are in its ClientHello, before any secret; a server's in
  // EncryptedExtensions, protected with Handshake keys.
  if ((ngtcp2_conn_is_server(conn) != 0 || level == NGTCP2_ENCRYPTION_LEVEL_1RTT) &&
      ngtcp2_conn_get_remote_transport_params(conn) == nullptr)
    return GNUTLS_E_MISSING_EXTENSION;
  if ((rx != nullptr && !first_of_its_kind(binding, level, true)) ||
      (tx != nullptr && !first_of_its_kind(binding, level, false)))
    // GnuTLS reports the 0-RTT secrets again with the ClientHello after a HelloRetryRequest.
    return level == NGTCP2_ENCRYPTION_LEVEL_0RTT ? 0 : GNUTLS_E_UNEXPECTED_PACKET;
  // The cipher of the connection is known since its handshake secrets were installed.
  if (level == NGTCP2_ENCRYPTION_LEVEL_1RTT && is_ours(conn)) {
    if (rx != nullptr && !install_own_key(conn, ngtcp2_conn_install_rx_key, {rx, size})) return -1;
    if (tx != nullptr && !install_own_key(conn, ngtcp2_conn_install_tx_key, {tx, size})) return -1;
    return 0;
  }
  if (rx != nullptr &&
      ngtcp2_crypto_derive_and_install_rx_key(conn, nullptr, nullptr, nullptr, level, rx, size) != 0)
    return -1;
  if (tx != nullptr &&
      ngtcp2_crypto_derive_and_install_tx_key(conn, nullptr, nullptr, nullptr, level, tx, size) != 0)
    return -1;
  return 0;
}

/// RFC 9001 §6. The new keys are GnuTLS's at first.
int update_key(ngtcp2_conn* conn, std::uint8_t* rx_secret, std::uint8_t* tx_secret,
               ngtcp2_crypto_aead_ctx* rx_context, std::uint8_t* rx_iv, ngtcp2_crypto_aead_ctx* tx_context,
               std::uint8_t* tx_iv, const std::uint8_t* current_rx_secret,
               const std::uint8_t* current_tx_secret, std::size_t secret_size, void*) {
  constexpr std::size_t longest_key = 32;
  std::array<std::uint8_t, longest_key> rx_key, tx_key;
  if (ngtcp2_crypto_update_key(conn, rx_secret, tx_secret, rx_context, rx_key.data(), rx_iv, tx_context,
                               tx_key.data(), tx_iv, current_rx_secret, current_tx_secret, secret_size) != 0)
    return NGTCP2_ERR_CALLBACK_FAILURE;
  if (is_ours(conn)) {
    const auto replace = [conn](ngtcp2_crypto_aead_ctx& context,
                                const std::array<std::uint8_t, longest_key>& key) {
      delete_aead(conn, &context, nullptr);
      context.native_handle =
          as_handle(std::make_unique<tls::FastAesGcm>(std::span(key).first<aes_128_key_size>()));
    };
    replace(*rx_context, rx_key);
    replace(*tx_context, tx_key);
  }
  gnutls_memset(rx_key.data(), 0, rx_key.size());
  gnutls_memset(tx_key.data(), 0, tx_key.size());
  return 0;
}

}  // namespace

void install_packet_protection(ngtcp2_callbacks& callbacks) {
  callbacks.encrypt = seal;
  callbacks.decrypt = open;
  callbacks.hp_mask = header_mask;
  callbacks.update_key = update_key;
  callbacks.delete_crypto_aead_ctx = delete_aead;
  callbacks.delete_crypto_cipher_ctx = delete_cipher;
}

bool is_early_key_alone(const CryptoBinding& binding) {
  return (binding.installed_keys & key_bit(NGTCP2_ENCRYPTION_LEVEL_0RTT, true)) != 0 &&
         (binding.installed_keys & key_bit(NGTCP2_ENCRYPTION_LEVEL_1RTT, false)) == 0;
}

void install_secrets_hook(gnutls_session_int* session) {
  gnutls_handshake_set_secret_function(session, on_secrets);
}

}  // namespace sallyport::quic
