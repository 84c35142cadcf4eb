#include "net/address.h"
#include "tls/certificate.h"
#include "tls/gnutls_handles.h"
#include "tls/names.h"

#include <array>
#include <chrono>
#include <ctime>

#include <gnutls/crypto.h>

namespace sallyport::tls {
namespace {

constexpr unsigned longest_validity_days = 3650;
constexpr std::size_t longest_common_name = 64;  // RFC 5280, ub-common-name
constexpr std::size_t p256_private_value_size = 32;

/// Keeps the first error of a sequence of GnuTLS calls.
class Steps {
 public:
  void operator()(int code) {
    if (first_ == 0 && code < 0) first_ = code;
  }
  int first() const { return first_; }

 private:
  int first_ = 0;
};

/// RFC 5915 §3 requires a private value of 32 octets, but GnuTLS encodes it as an INTEGER: with a zero before
/// a set top bit, and without leading zeros. Some parsers refuse this, so only keys with identical encodings
/// are used.
bool is_written_right(gnutls_x509_privkey_t key) {
  Datum value;
  gnutls_ecc_curve_t curve;
  return gnutls_x509_privkey_export_ecc_raw(key, &curve, nullptr, nullptr, &value.value) >= 0 &&
         value.value.size == p256_private_value_size;
}

int generate_key(X509Key& key) {
  do {
    gnutls_x509_privkey_t raw = nullptr;
    if (const int code = gnutls_x509_privkey_init(&raw); code < 0) return code;
    key.reset(raw);
    const int code = gnutls_x509_privkey_generate(raw, GNUTLS_PK_ECDSA,
                                                  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (code < 0) return code;
  } while (!is_written_right(key.get()));
  return 0;
}

int add_name(gnutls_x509_crt_t certificate, const std::string& name) {
  if (const auto address = net::IpAddress::parse(name)) {
    const auto octets = address->octets();
    return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, octets.data(),
                                                static_cast<unsigned>(octets.size()), GNUTLS_FSAN_APPEND);
  }
  return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name.data(),
                                              static_cast<unsigned>(name.size()), GNUTLS_FSAN_APPEND);
}

}  // namespace

Result<KeyPair> make_self_signed(const std::vector<std::string>& names, unsigned days) {
  if (names.empty()) return fail(ErrorKind::usage, "a certificate needs at least one name");
  if (days == 0 || days > longest_validity_days) {
    return fail(ErrorKind::usage, "a certificate can be valid for 1 to " +
                                      std::to_string(longest_validity_days) + " days, not " +
                                      std::to_string(days));
  }
  for (const std::string& name : names) {
    if (!is_certifiable(name)) {
      return fail(
          ErrorKind::usage,
          "'" + name + "' is neither an address nor a host name (international ones in their xn-- form)");
    }
  }

  X509Key key;
  gnutls_x509_crt_t raw_certificate = nullptr;
  Steps step;
  step(generate_key(key));
  step(gnutls_x509_crt_init(&raw_certificate));
  const X509Certificate certificate(raw_certificate);
  if (step.first() < 0)
    return fail(ErrorKind::resource, "cannot make a certificate: " + error_words(step.first()));

  step(gnutls_x509_crt_set_version(raw_certificate, 3));
  std::array<std::uint8_t, 16> serial;
  step(gnutls_rnd(GNUTLS_RND_NONCE, serial.data(), serial.size()));
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7f) | 0x40);  // positive, and of full length
  step(gnutls_x509_crt_set_serial(raw_certificate, serial.data(), serial.size()));

  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::time_t from = now - 3600;  // for peers whose clock is behind
  step(gnutls_x509_crt_set_activation_time(raw_certificate, from));
  step(gnutls_x509_crt_set_expiration_time(raw_certificate, from + static_cast<std::time_t>(days) * 86400));

  const std::string common_name = names.front().size() <= longest_common_name ? names.front() : "sallyport";
  step(gnutls_x509_crt_set_dn_by_oid(raw_certificate, GNUTLS_OID_X520_COMMON_NAME, 0, common_name.data(),
                                     static_cast<unsigned>(common_name.size())));
  for (const std::string& name : names) step(add_name(raw_certificate, name));
  // Not a CA: Firefox and rustls refuse a CA certificate as a server's. A verifier with this certificate as
  // its trust anchor does not require CA:TRUE.
  step(gnutls_x509_crt_set_basic_constraints(raw_certificate, 0, -1));
  step(gnutls_x509_crt_set_key_usage(raw_certificate, GNUTLS_KEY_DIGITAL_SIGNATURE));
  step(gnutls_x509_crt_set_key_purpose_oid(raw_certificate, GNUTLS_KP_TLS_WWW_SERVER, 0));
  step(gnutls_x509_crt_set_key(raw_certificate, key.get()));
  std::array<std::uint8_t, 20> key_id;
  std::size_t key_id_size = key_id.size();
  step(gnutls_x509_privkey_get_key_id(key.get(), GNUTLS_KEYID_USE_SHA1, key_id.data(), &key_id_size));
  step(gnutls_x509_crt_set_subject_key_id(raw_certificate, key_id.data(), key_id_size));
  step(gnutls_x509_crt_sign2(raw_certificate, raw_certificate, key.get(), GNUTLS_DIG_SHA256, 0));

  Datum certificate_pem, key_pem;
  if (step.first() == 0) {
    step(gnutls_x509_crt_export2(raw_certificate, GNUTLS_X509_FMT_PEM, &certificate_pem.value));
    step(gnutls_x509_privkey_export2_pkcs8(key.get(), GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN,
                                           &key_pem.value));
  }
  if (step.first() < 0)
    return fail(ErrorKind::resource, "cannot make a certificate: " + error_words(step.first()));
  return KeyPair{std::string(certificate_pem.text()), std::string(key_pem.text())};
}

}  // namespace sallyport::tls
