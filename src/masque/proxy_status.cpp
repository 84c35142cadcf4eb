#include "masque/proxy_status.h"

#include <utility>

namespace sallyport::masque {
namespace {

bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_token_start(char c) {
  return is_alpha(c) || c == '*';
}
bool is_token_rest(char c) {
  return is_alpha(c) || is_digit(c) ||
         std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string_view::npos;
}
bool is_key_start(char c) {
  return (c >= 'a' && c <= 'z') || c == '*';
}
bool is_key_rest(char c) {
  return is_key_start(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

bool is_token(std::string_view text) {
  if (text.empty() || !is_token_start(text.front())) return false;
  for (const char c : text)
    if (!is_token_rest(c)) return false;
  return true;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= 0x20 && c < 0x7f ? c : '?';
  }
  out += '"';
}

std::string format_name(std::string_view proxy) {
  if (is_token(proxy)) return std::string(proxy);
  std::string out;
  append_string(out, proxy);
  return out;
}

/// As much of a structured field (RFC 8941 §4.2) as Proxy-Status uses: a list of items with parameters.
class StructuredReader {
 public:
  explicit StructuredReader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip_spaces(bool tabs_too) {
    while (!rest_.empty() && (rest_.front() == ' ' || (tabs_too && rest_.front() == '\t')))
      rest_.remove_prefix(1);
  }
  std::optional<std::string_view> take_key() {
    if (rest_.empty() || !is_key_start(rest_.front())) return std::nullopt;
    return take_while(is_key_rest);
  }
  /// Any bare item; a string comes unescaped, everything else as it is written.
  std::optional<std::string> take_bare_item() {
    if (rest_.empty()) return std::nullopt;
    const char first = rest_.front();
    if (first == '"') return take_string();
    if (is_token_start(first)) return std::string(take_while(is_token_rest));
    if (first == '-' || is_digit(first)) return take_number();
    if (first == '?') return take_boolean();
    if (first == ':') return take_byte_sequence();
    return std::nullopt;
  }

 private:
  template <class Predicate>
  std::string_view take_while(Predicate&& predicate) {
    std::size_t count = 0;
    while (count < rest_.size() && predicate(rest_[count])) ++count;
    return take_count(count);
  }
  std::string_view take_count(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::optional<std::string> take_string() {
    std::string out;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == '"') {
        rest_.remove_prefix(i + 1);
        return out;
      }
      if (c == '\\') {
        if (++i == rest_.size() || (rest_[i] != '"' && rest_[i] != '\\')) return std::nullopt;
        c = rest_[i];
      } else if (c < 0x20 || c >= 0x7f) {
        return std::nullopt;
      }
      out += c;
    }
    return std::nullopt;
  }
  std::optional<std::string> take_number() {
    std::size_t count = rest_.front() == '-' ? 1 : 0;
    const std::size_t first_digit = count;
    bool point = false;
    for (; count < rest_.size(); ++count) {
      if (rest_[count] == '.' && !point && count > first_digit) {
        point = true;
      } else if (!is_digit(rest_[count])) {
        break;
      }
    }
    const std::size_t length = count - first_digit;
    if (length == 0 || length > 16 || rest_[count - 1] == '.') return std::nullopt;
    return std::string(take_count(count));
  }
  std::optional<std::string> take_boolean() {
    if (rest_.size() < 2 || (rest_[1] != '0' && rest_[1] != '1')) return std::nullopt;
    return std::string(take_count(2));
  }
  std::optional<std::string> take_byte_sequence() {
    const auto end = rest_.find(':', 1);
    if (end == std::string_view::npos) return std::nullopt;
    for (const char c : rest_.substr(1, end - 1))
      if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '/' && c != '=') return std::nullopt;
    return std::string(take_count(end + 1));
  }

  std::string_view rest_;
};

std::optional<ProxyStatus> take_member(StructuredReader& reader) {
  auto name = reader.take_bare_item();
  if (!name) return std::nullopt;
  ProxyStatus status;
  status.proxy = std::move(*name);
  while (reader.take(';')) {
    reader.skip_spaces(false);
    const auto key = reader.take_key();
    if (!key) return std::nullopt;
    std::string value = "?1";
    if (reader.take('=')) {
      auto item = reader.take_bare_item();
      if (!item) return std::nullopt;
      value = std::move(*item);
    }
    if (*key == "error")
      status.error = std::move(value);
    else if (*key == "details")
      status.details = std::move(value);
    else if (*key == "next-hop")
      status.next_hop = std::move(value);
  }
  return status;
}

}  // namespace

Refusal refusal_for(const Error& error) {
  // Status codes as RFC 9209 §2.3 recommends them, but for policy: 403 says better than 502 that trying again
  // is of no use.
  switch (error.kind) {
    case ErrorKind::resolve:
      return {502, "dns_error", error.message};
    case ErrorKind::denied:
      return {403, "destination_ip_prohibited", error.message};
    case ErrorKind::refused:
      return {502, "connection_refused", error.message};
    case ErrorKind::timeout:
      return {504, "connection_timeout", error.message};
    case ErrorKind::unreachable:
      return {503, "destination_unavailable", error.message};
    case ErrorKind::closed:
      return {502, "connection_terminated", error.message};
    case ErrorKind::protocol:
      return {400, "http_request_error", error.message};
    case ErrorKind::resource:
      return {503, "proxy_internal_error", error.message};
    default:
      return {502, "proxy_internal_error", error.message};
  }
}

std::string format_proxy_status(std::string_view proxy, const Refusal& refusal) {
  std::string out = format_name(proxy);
  (out += "; error=") += refusal.type;
  if (!refusal.details.empty()) append_string(out += "; details=", refusal.details);
  return out;
}

std::string format_next_hop(std::string_view proxy, std::string_view next_hop) {
  std::string out = format_name(proxy);
  append_string(out += "; next-hop=", next_hop);
  return out;
}

std::optional<ProxyStatus> parse_proxy_status(std::string_view value) {
  StructuredReader reader(value);
  reader.skip_spaces(false);
  std::optional<ProxyStatus> last;
  while (true) {
    last = take_member(reader);
    if (!last) return std::nullopt;
    reader.skip_spaces(true);
    if (reader.at_end()) return last;
    if (!reader.take(',')) return std::nullopt;
    reader.skip_spaces(true);
  }
}

std::string next_hop_of(const http::Fields& response) {
  const auto field = response.joined("proxy-status");
  auto status = field ? parse_proxy_status(*field) : std::nullopt;
  return status ? std::move(status->next_hop) : std::string();
}

}  // namespace sallyport::masque
