#include "tls/certificate_message.h"

#include "tls/gnutls_handles.h"

#include <gnutls/x509.h>

namespace sallyport::tls {
namespace {

// As OpenSSL and Go have it: exponents in use are of 17 bits, moduli of 4,096.
constexpr std::size_t largest_modulus = 8192, largest_exponent = 64;  // bits

/// Takes a length of `width` octets and as many octets as it says.
std::optional<Bytes> take(Bytes& from, std::size_t width) {
  if (from.size() < width) return std::nullopt;
  std::size_t size = 0;
  for (std::size_t i = 0; i < width; ++i) size = size << 8 | from[i];
  if (from.size() - width < size) return std::nullopt;
  const Bytes taken = from.subspan(width, size);
  from = from.subspan(width + size);
  return taken;
}

std::size_t bits_of(const gnutls_datum_t& number) {
  Bytes bytes(number.data, number.size);
  while (!bytes.empty() && bytes.front() == 0) bytes = bytes.subspan(1);
  return bytes.size() * 8;
}

}  // namespace

std::optional<std::string> concern_about_key(Bytes message, bool is_tls13) {
  if (is_tls13 && !take(message, 1)) return std::nullopt;  // certificate_request_context
  auto list = take(message, 3);
  if (!list) return std::nullopt;
  const auto first = take(*list, 3);
  if (!first) return std::nullopt;
  const X509Certificate certificate = parse_der(*first);
  if (certificate == nullptr) return std::nullopt;
  gnutls_datum_t modulus{}, exponent{};
  if (gnutls_x509_crt_get_pk_rsa_raw(certificate.get(), &modulus, &exponent) < 0) return std::nullopt;
  const std::size_t modulus_bits = bits_of(modulus), exponent_bits = bits_of(exponent);
  gnutls_free(modulus.data);
  gnutls_free(exponent.data);
  if (modulus_bits <= largest_modulus && exponent_bits <= largest_exponent) return std::nullopt;
  return "the certificate's RSA key is too large: a modulus of " + std::to_string(modulus_bits) +
         " bits and an exponent of " + std::to_string(exponent_bits) + ", where " +
         std::to_string(largest_modulus) + " and " + std::to_string(largest_exponent) + " are taken";
}

}  // namespace sallyport::tls
