#include "http/h1_websocket.h"

#include "base/bytes.h"
#include "base/random.h"

#include <algorithm>
#include <array>
#include <new>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

namespace sallyport::http {
namespace {

constexpr std::size_t key_size = 24;  // 16 bytes in base64
constexpr std::string_view guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

std::string base64(Bytes bytes) {
  const gnutls_datum_t raw{const_cast<unsigned char*>(bytes.data()), static_cast<unsigned>(bytes.size())};
  gnutls_datum_t encoded{};
  if (gnutls_base64_encode2(&raw, &encoded) < 0) throw std::bad_alloc();  // its only way to fail
  std::string text(as_text({encoded.data, encoded.size}));
  gnutls_free(encoded.data);
  return text;
}

}  // namespace

std::string make_websocket_key() {
  std::array<std::uint8_t, 16> bytes;
  system_random().fill(bytes);
  return base64(bytes);
}

bool has_websocket_key(const Fields& fields) {
  const auto key = fields.find("sec-websocket-key");
  if (!key || key->size() != key_size || !key->ends_with("==") || fields.count("sec-websocket-key") != 1)
    return false;
  return std::ranges::all_of(key->substr(0, key_size - 2), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += guid;
  std::array<std::uint8_t, 20> digest;
  gnutls_hash_fast(GNUTLS_DIG_SHA1, text.data(), text.size(), digest.data());
  return base64(digest);
}

}  // namespace sallyport::http
