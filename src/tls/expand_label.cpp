#include "tls/expand_label.h"

#include <algorithm>
#include <array>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

namespace sallyport::tls {

bool expand_label(Bytes secret, std::string_view label, MutableBytes out) {
  constexpr std::string_view prefix = "tls13 ";
  std::array<std::uint8_t, 32> info{};
  std::size_t size = 0;
  info[size++] = static_cast<std::uint8_t>(out.size() >> 8);
  info[size++] = static_cast<std::uint8_t>(out.size());
  info[size++] = static_cast<std::uint8_t>(prefix.size() + label.size());
  for (const std::string_view part : {prefix, label}) {
    std::ranges::copy(part, info.begin() + static_cast<std::ptrdiff_t>(size));
    size += part.size();
  }
  info[size++] = 0;
  const gnutls_datum_t key{const_cast<std::uint8_t*>(secret.data()), static_cast<unsigned>(secret.size())};
  const gnutls_datum_t text{info.data(), static_cast<unsigned>(size)};
  return gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &text, out.data(), out.size()) == 0;
}

}  // namespace sallyport::tls
