#include "tls/priorities.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace sallyport::tls {
namespace {

gnutls_priority_t parse(Carrier carrier) {
  std::string text = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
  // RFC 9113 §9.2 requires AEAD ciphers with an ephemeral key exchange in TLS 1.2; current clients support
  // them.
  if (carrier == Carrier::tcp) text += ":+VERS-TLS1.2";
  text += ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-MAC-ALL:+AEAD:-CIPHER-ALL";
  text += has_fast_aes() ? ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"
                         : ":+CHACHA20-POLY1305:+AES-128-GCM:+AES-256-GCM";
  text += ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%SERVER_PRECEDENCE";
  // RFC 9155: TLS 1.2 does not offer, accept or make SHA-1 signatures. GnuTLS has no others with it.
  text += ":-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1";
  if (carrier == Carrier::quic) text += ":%DISABLE_TLS13_COMPAT_MODE";  // RFC 9001 §8.4
  gnutls_priority_t result = nullptr;
  // Our own constant text: only a GnuTLS that is not the one we were built for can refuse it.
  if (gnutls_priority_init(&result, text.c_str(), nullptr) < 0) std::abort();
  return result;
}

}  // namespace

bool has_fast_aes() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
  return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return false;
#endif
}

gnutls_priority_t priorities(Carrier carrier) {
  static const gnutls_priority_t tcp = parse(Carrier::tcp);
  static const gnutls_priority_t quic = parse(Carrier::quic);
  return carrier == Carrier::tcp ? tcp : quic;
}

bool is_signature_wanted(gnutls_sign_algorithm_t algorithm) {
  // The same for every carrier.
  const unsigned* wanted = nullptr;
  const int count = gnutls_priority_sign_list(priorities(Carrier::tcp), &wanted);
  return count > 0 && std::find(wanted, wanted + count, static_cast<unsigned>(algorithm)) != wanted + count;
}

}  // namespace sallyport::tls
