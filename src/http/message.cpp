#include "http/message.h"

#include <algorithm>
#include <charconv>

namespace sallyport::http {

std::string_view to_string(Version version) {
  switch (version) {
    case Version::http1_0:
      return "HTTP/1.0";
    case Version::http1_1:
      return "HTTP/1.1";
    case Version::http2:
      return "HTTP/2";
    case Version::http3:
      break;
  }
  return "HTTP/3";
}

void Request::clear() {
  method.assign("GET");
  scheme.assign("https");
  authority.clear();
  path.assign("/");
  protocol.clear();
  fields.clear();
  priority = {};
  early_data = false;
}

void Request::cut(std::size_t most) {
  fields.release();
  for (std::string* part : {&method, &scheme, &authority, &path, &protocol}) {
    part->resize(std::min(part->size(), most));
    part->shrink_to_fit();
  }
}

std::size_t Request::memory() const {
  return method.capacity() + scheme.capacity() + authority.capacity() + path.capacity() +
         protocol.capacity() + fields.memory();
}

bool is_safe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

bool is_idempotent(std::string_view method) {
  return is_safe(method) || method == "PUT" || method == "DELETE";
}

std::optional<std::uint64_t> parse_content_length(std::string_view value) {
  // from_chars takes a sign for no unsigned type, but also stops at the first non-digit.
  std::uint64_t length = 0;
  const char* const end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, length);
  if (error != std::errc() || rest != end) return std::nullopt;
  return length;
}

}  // namespace sallyport::http
