#include "cli/version.h"

#include <string_view>

#include <boost/version.hpp>
#include <fmt/format.h>
#include <gnutls/gnutls.h>
#include <nghttp2/nghttp2.h>
#include <nghttp3/nghttp3.h>
#include <ngtcp2/ngtcp2.h>
#include <openssl/crypto.h>
#ifdef SALLYPORT_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

namespace sallyport::cli {

std::string version_text() {
  std::string libraries =
      fmt::format("ngtcp2/{} nghttp3/{} nghttp2/{} GnuTLS/{} OpenSSL/{}", ngtcp2_version(0)->version_str,
                  nghttp3_version(0)->version_str, nghttp2_version(0)->version_str,
                  gnutls_check_version(nullptr), OpenSSL_version(OPENSSL_VERSION_STRING));
#ifdef SALLYPORT_IPSEC_MB
  std::string_view vector_aes = imb_get_version_str();  // "v1.3.0"
  if (vector_aes.starts_with('v')) vector_aes.remove_prefix(1);
  libraries += fmt::format(" ipsec-mb/{}", vector_aes);
#endif
  libraries +=
      fmt::format(" Boost/{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100);
  return "sallyport " SALLYPORT_VERSION "\n" + libraries;
}

}  // namespace sallyport::cli
