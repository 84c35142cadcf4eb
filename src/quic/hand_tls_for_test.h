// TLS 1.3 handshake messages (RFC 8446 §4) written by hand, so a test or a fuzz target can drop, duplicate,
// reorder, empty, truncate and lengthen any part of them. There is no key exchange: the key shares are
// constants, and the secrets come from the key log of the endpoint under test.
#pragma once

#include "quic/packet_forge_for_test.h"
#include "tls/certificate.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

namespace sallyport::quic::test {

enum class TlsMessage : std::uint8_t {
  client_hello = 1,
  server_hello = 2,
  new_session_ticket = 4,
  end_of_early_data = 5,
  encrypted_extensions = 8,
  certificate = 11,
  certificate_request = 13,
  certificate_verify = 15,
  finished = 20,
  key_update = 24,
};

namespace extension {
inline constexpr std::uint16_t server_name = 0, supported_groups = 10, signature_algorithms = 13, alpn = 16,
                               pre_shared_key = 41, early_data = 42, supported_versions = 43, psk_modes = 45,
                               key_share = 51, transport_parameters = 57;
}

struct TlsExtension {
  std::uint16_t type = 0;
  Octets content;
};

inline void append_integer(Octets& to, std::uint64_t value, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
/// `content` behind its length, which takes `size` bytes.
inline void append_vector(Octets& to, Bytes content, std::size_t size) {
  append_integer(to, content.size(), size);
  append(to, content);
}
inline Octets vector_of(Bytes content, std::size_t size) {
  Octets out;
  append_vector(out, content, size);
  return out;
}
inline Octets tls_message(TlsMessage type, Bytes body) {
  Octets out{static_cast<std::uint8_t>(type)};
  append_vector(out, body, 3);
  return out;
}
inline Octets encode(const std::vector<TlsExtension>& extensions) {
  Octets all;
  for (const TlsExtension& each : extensions) {
    append_integer(all, each.type, 2);
    append_vector(all, each.content, 2);
  }
  return vector_of(all, 2);
}

/// A QUIC transport parameter (RFC 9000 §18) whose value may be anything.
struct TransportParameter {
  std::uint64_t id = 0;
  Octets value;
};
inline TransportParameter parameter(std::uint64_t id, std::uint64_t value) {
  return {id, frame({value})};
}
inline Octets encode(const std::vector<TransportParameter>& parameters) {
  Octets out;
  for (const TransportParameter& each : parameters) {
    append_varint(out, each.id);
    append_varint(out, each.value.size());
    append(out, each.value);
  }
  return out;
}
/// Transport parameters of every endpoint: limits large enough for a test.
inline std::vector<TransportParameter> usual_parameters(const Octets& source_id) {
  return {parameter(0x01, 30'000),  parameter(0x04, 1 << 20), parameter(0x05, 1 << 18),
          parameter(0x06, 1 << 18), parameter(0x07, 1 << 18), parameter(0x08, 100),
          parameter(0x09, 100),     parameter(0x0e, 4),       {0x0f, source_id},
          parameter(0x20, 65'535)};
}

/// The generator of X25519, a public key as good as any.
inline Octets key_share_entry() {
  Octets key(32);
  key[0] = 9;
  Octets entry;
  append_integer(entry, 0x001d, 2);
  append_vector(entry, key, 2);
  return entry;
}

inline Octets alpn_list(const std::vector<std::string>& protocols) {
  Octets all;
  for (const std::string& protocol : protocols) append_vector(all, as_bytes(protocol), 1);
  return vector_of(all, 2);
}

/// The extensions of a conforming HTTP/3 client, in their usual order.
inline std::vector<TlsExtension> client_extensions(std::string_view host, const Octets& parameters) {
  Octets name{0};
  append_vector(name, as_bytes(host), 2);
  return {{extension::server_name, vector_of(name, 2)},
          {extension::supported_groups, {0, 4, 0, 0x1d, 0, 0x17}},
          {extension::signature_algorithms, {0, 8, 0x04, 0x03, 0x08, 0x04, 0x08, 0x07, 0x08, 0x05}},
          {extension::alpn, alpn_list({"h3"})},
          {extension::supported_versions, {2, 0x03, 0x04}},
          {extension::psk_modes, {1, 1}},
          {extension::key_share, vector_of(key_share_entry(), 2)},
          {extension::transport_parameters, parameters}};
}

/// `ciphers`: TLS_AES_128_GCM_SHA256 by default, which PacketForge needs.
inline Octets client_hello(const std::vector<TlsExtension>& extensions, const Octets& ciphers = {0x13, 0x01},
                           const Octets& session_id = {}) {
  Octets body{0x03, 0x03};
  body.resize(body.size() + 32, 0x5a);  // random
  append_vector(body, session_id, 1);
  append_vector(body, ciphers, 2);
  append_vector(body, Octets{0}, 1);  // compression
  append(body, encode(extensions));
  return tls_message(TlsMessage::client_hello, body);
}

inline std::vector<TlsExtension> server_hello_extensions() {
  return {{extension::supported_versions, {0x03, 0x04}}, {extension::key_share, key_share_entry()}};
}
inline Octets server_hello(const std::vector<TlsExtension>& extensions, const Octets& session_id = {}) {
  Octets body{0x03, 0x03};
  body.resize(body.size() + 32, 0xa5);
  append_vector(body, session_id, 1);
  append(body, Octets{0x13, 0x01, 0});  // cipher, compression
  append(body, encode(extensions));
  return tls_message(TlsMessage::server_hello, body);
}
/// RFC 8446 §4.1.4: asks for secp256r1, which a client offers beside X25519.
inline Octets hello_retry_request() {
  static constexpr std::array<std::uint8_t, 32> random{
      0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
      0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
  Octets body{0x03, 0x03};
  append(body, random);
  append(body, Octets{0, 0x13, 0x01, 0});  // session ID, cipher, compression
  append(body, encode(std::vector<TlsExtension>{{extension::supported_versions, {0x03, 0x04}},
                                                {extension::key_share, {0, 0x17}}}));
  return tls_message(TlsMessage::server_hello, body);
}
inline Octets encrypted_extensions(const std::vector<TlsExtension>& extensions) {
  return tls_message(TlsMessage::encrypted_extensions, encode(extensions));
}

/// SHA-256 over handshake messages.
inline Octets transcript_hash(Bytes messages) {
  Octets out(32);
  gnutls_hash_fast(GNUTLS_DIG_SHA256, messages.data(), messages.size(), out.data());
  return out;
}
/// RFC 8446 §4.4.4, for whose handshake traffic secret this is.
inline Octets finished(const Octets& secret, Bytes transcript) {
  const Octets key = PacketForge::expand(secret, "finished", 32);
  const Octets hash = transcript_hash(transcript);
  Octets mac(32);
  gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data(), key.size(), hash.data(), hash.size(), mac.data());
  return tls_message(TlsMessage::finished, mac);
}

/// A server's certificate and its key.
class HandCertificate {
 public:
  explicit HandCertificate(const tls::KeyPair& pair) {
    const auto datum = [](const std::string& text) {
      return gnutls_datum_t{reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
                            static_cast<unsigned>(text.size())};
    };
    const gnutls_datum_t certificate = datum(pair.certificate_pem), key = datum(pair.key_pem);
    gnutls_datum_t der{};
    gnutls_pem_base64_decode2("CERTIFICATE", &certificate, &der);
    der_.assign(der.data, der.data + der.size);
    gnutls_free(der.data);
    gnutls_privkey_init(&key_);
    gnutls_privkey_import_x509_raw(key_, &key, GNUTLS_X509_FMT_PEM, nullptr, 0);
  }
  ~HandCertificate() { gnutls_privkey_deinit(key_); }
  HandCertificate(const HandCertificate&) = delete;
  HandCertificate& operator=(const HandCertificate&) = delete;

  /// The Certificate message.
  Octets message() const {
    Octets entry = vector_of(der_, 3);
    append(entry, Octets{0, 0});
    Octets body{0};
    append_vector(body, entry, 3);
    return tls_message(TlsMessage::certificate, body);
  }
  /// CertificateVerify (RFC 8446 §4.4.3), by ecdsa_secp256r1_sha256.
  Octets verify(Bytes transcript) const {
    Octets content(64, 0x20);
    append(content, as_bytes("TLS 1.3, server CertificateVerify"));
    content.push_back(0);
    append(content, transcript_hash(transcript));
    const gnutls_datum_t data{content.data(), static_cast<unsigned>(content.size())};
    gnutls_datum_t signature{};
    gnutls_privkey_sign_data2(key_, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, 0, &data, &signature);
    Octets body{0x04, 0x03};
    append_vector(body, {signature.data, signature.size}, 2);
    gnutls_free(signature.data);
    return tls_message(TlsMessage::certificate_verify, body);
  }

 private:
  Octets der_;
  gnutls_privkey_t key_ = nullptr;
};

}  // namespace sallyport::quic::test
