#include "http/alt_svc.h"

#include "http/validation.h"

#include <algorithm>
#include <charconv>

namespace sallyport::http {

namespace {

constexpr std::size_t max_services = 16;
constexpr std::int64_t max_age_seconds = 365LL * 24 * 3600;

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  void skip_white() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  bool at_end() const { return rest_.empty(); }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool token(std::string& into) {
    std::size_t size = 0;
    while (size < rest_.size() && is_token(rest_.substr(size, 1))) ++size;
    into.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return size > 0;
  }
  bool quoted(std::string& into) {
    into.clear();
    if (!take('"')) return false;
    while (!rest_.empty()) {
      if (take('"')) return true;
      if (take('\\') && rest_.empty()) return false;
      into += rest_.front();
      rest_.remove_prefix(1);
    }
    return false;
  }
  bool token_or_quoted(std::string& into) {
    return !rest_.empty() && rest_.front() == '"' ? quoted(into) : token(into);
  }

 private:
  std::string_view rest_;
};

/// RFC 7838 §3: an ALPN name, percent-encoded where it is no token.
std::optional<std::string> decode_protocol(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned value = 0;
    if (text.size() - i < 3) return std::nullopt;
    const char* const hex = text.data() + i + 1;
    const auto [end, error] = std::from_chars(hex, hex + 2, value, 16);
    if (error != std::errc() || end != hex + 2) return std::nullopt;
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool parse_alternative(std::string_view text, AltService& service) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  if (!parse_number(text.substr(colon + 1), service.port) || service.port == 0) return false;
  service.host.assign(text.substr(0, colon));
  return service.host.empty() || is_authority(service.host);
}

bool read_parameters(Reader& in, AltService& service) {
  while (true) {
    in.skip_white();
    if (!in.take(';')) return true;
    in.skip_white();
    std::string name, value;
    if (!in.token(name) || !in.take('=') || !in.token_or_quoted(value)) return false;
    if (name == "ma") {
      std::int64_t seconds = 0;
      if (!parse_number(value, seconds) || seconds < 0) return false;
      service.max_age = std::chrono::seconds(std::min(seconds, max_age_seconds));
    } else if (name == "persist") {
      service.persist = value == "1";
    }
  }
}

}  // namespace

std::string format_alt_svc(const AltService& service) {
  std::string text = service.protocol;
  text.append("=\"").append(service.host).append(":").append(std::to_string(service.port)).append("\"; ma=");
  text += std::to_string(std::chrono::duration_cast<std::chrono::seconds>(service.max_age).count());
  if (service.persist) text += "; persist=1";
  return text;
}

std::optional<AltServices> parse_alt_svc(std::string_view value) {
  AltServices result;
  Reader in(value);
  in.skip_white();
  if (value.substr(std::min(value.find_first_not_of(" \t"), value.size())) == "clear") {
    result.clear = true;
    return result;
  }
  while (true) {
    in.skip_white();
    std::string protocol, authority;
    if (!in.token(protocol) || !in.take('=') || !in.quoted(authority)) return std::nullopt;
    AltService service;
    const auto decoded = decode_protocol(protocol);
    if (!decoded || !parse_alternative(authority, service)) return std::nullopt;
    service.protocol = *decoded;
    if (!read_parameters(in, service)) return std::nullopt;
    if (result.services.size() < max_services) result.services.push_back(std::move(service));
    in.skip_white();
    if (in.at_end()) return result;
    if (!in.take(',')) return std::nullopt;
  }
}

}  // namespace sallyport::http
