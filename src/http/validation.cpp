#include "http/validation.h"

#include "http/priority.h"

#include <algorithm>
#include <array>

namespace sallyport::http {

namespace {

// One table of what each octet may be part of, so that a check costs one look-up an octet.
enum Class : std::uint8_t {
  name_char = 1,
  token_char = 2,
  value_char = 4,
  path_char = 8,
  authority_char = 16
};

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  const auto set = [&](std::string_view characters, std::uint8_t what) {
    for (const char c : characters) classes[static_cast<unsigned char>(c)] |= what;
  };
  constexpr std::string_view digits = "0123456789";
  constexpr std::string_view lower = "abcdefghijklmnopqrstuvwxyz";
  constexpr std::string_view upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  set(digits, name_char | token_char | authority_char);
  set(lower, name_char | token_char | authority_char);
  set(upper, token_char | authority_char);
  set("!#$%&'*+-.^_`|~", name_char | token_char);  // RFC 9110 §5.6.2
  set("-._~%!$&'()*+,;=:[]", authority_char);      // RFC 3986 §3.2 without user information
  for (unsigned c = 0x21; c <= 0xff; ++c) {
    if (c == 0x7f) continue;
    classes[c] |= value_char;
    // What does not belong into a path by RFC 3986 but is sent there by browsers passes; a fragment never
    // does.
    if (c != '#') classes[c] |= path_char;
  }
  classes[' '] |= value_char;
  classes['\t'] |= value_char;
  return classes;
}

constexpr auto classes = make_classes();

bool all_of(std::string_view text, Class what) {
  // Without a branch an octet: nearly all of what comes in is fine.
  std::uint8_t both = what;
  for (const char c : text) both &= classes[static_cast<unsigned char>(c)];
  return both != 0;
}

constexpr std::uint64_t max_length = (std::uint64_t{1} << 62) - 1;

bool is_white(char c) {
  return c == ' ' || c == '\t';
}

char lowered(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_scheme(std::string_view text) {
  const auto is_alpha = [](char c) { return lowered(c) >= 'a' && lowered(c) <= 'z'; };
  return !text.empty() && is_alpha(text[0]) && std::ranges::all_of(text, [&](char c) {
    return is_alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_white(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_white(text.back())) text.remove_suffix(1);
  return text;
}

bool speaks_http2_rules(Version version) {
  return version == Version::http2 || version == Version::http3;
}

}  // namespace

unsigned status_for(Fault fault) {
  switch (fault) {
    case Fault::section_too_large:
      return 431;
    case Fault::uri_too_long:
      return 414;
    case Fault::none:
    case Fault::malformed:
      break;
  }
  return 400;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && all_of(name, name_char);
}

bool is_field_value(std::string_view value) {
  return value.empty() || (all_of(value, value_char) && !is_white(value.front()) && !is_white(value.back()));
}

bool is_token(std::string_view text) {
  return !text.empty() && all_of(text, token_char);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lowered, lowered);
}

bool is_authority(std::string_view text) {
  if (text.empty() || !all_of(text, authority_char)) return false;
  std::string_view port;
  if (text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return false;
    if (text.find('[', 1) != std::string_view::npos) return false;
  } else {
    const auto colon = text.find(':');
    if (colon == 0 || text.find_first_of("[]") != std::string_view::npos) return false;
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (port.empty()) return true;
  port.remove_prefix(1);
  return port.size() <= 5 && std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view host_of(std::string_view authority) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  return bracket == std::string_view::npos ? authority : authority.substr(0, authority.find(':', bracket));
}

std::string_view without_brackets(std::string_view host) {
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

bool is_connection_specific(std::string_view name) {
  switch (name.size()) {
    case 7:
      return name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive";
    case 14:
      return name == "http2-settings";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding";
    default:
      return false;
  }
}

bool may_be_sent(std::string_view name, std::string_view value) {
  return is_field_name(name) && is_field_value(value) && !is_connection_specific(name);
}

void HeadBuilder::begin(Part part, Fields& fields, Version version) {
  part_ = part;
  version_ = version;
  fields_ = &fields;
  request_ = nullptr;
  response_ = nullptr;
  extended_connect_ = false;
  verdict_ = {};
  content_length_.reset();
  section_size_ = 0;
  count_ = 0;
  regular_seen_ = false;
  cookies_ = 0;
  seen_ = 0;
  host_.clear();
  nominated_.clear();
}

void HeadBuilder::begin_request(Request& into, Version version, bool extended_connect) {
  into.clear();
  begin(Part::request, into.fields, version);
  request_ = &into;
  extended_connect_ = extended_connect;
  request_->method.clear();
  request_->scheme.clear();
  request_->path.clear();
}

void HeadBuilder::begin_response(Response& into, Version version) {
  into.status = 0;
  into.fields.clear();
  begin(Part::response, into.fields, version);
  response_ = &into;
}

void HeadBuilder::begin_trailers(Fields& into, Version version) {
  into.clear();
  begin(Part::trailers, into, version);
}

void HeadBuilder::fault(Fault fault, std::string_view reason) {
  if (verdict_.ok()) verdict_ = {fault, reason};
}

bool HeadBuilder::claim(Seen which) {
  if ((seen_ & which) != 0) return false;
  seen_ |= which;
  return true;
}

void HeadBuilder::add(std::string_view name, std::string_view value) {
  section_size_ += name.size() + value.size() + 32;
  ++count_;
  if (!verdict_.ok()) return;
  if (section_size_ > limits_->max_section_size)
    return fault(Fault::section_too_large, "the field section is too large");
  if (count_ > limits_->max_fields) return fault(Fault::section_too_large, "too many fields");

  if (!name.empty() && name.front() == ':') return add_pseudo(name, value);
  regular_seen_ = true;
  if (!speaks_http2_rules(version_)) {
    if (!is_token(name)) return malformed("invalid character in a field name");
    value = trimmed(value);
  } else if (!is_field_name(name)) {
    return malformed("uppercase or invalid character in a field name");
  }
  if (!is_field_value(value)) return malformed("invalid character in a field value");
  if (speaks_http2_rules(version_)) {
    add_known(name, value);
  } else {
    std::array<char, 32> buffer;  // longer than any name that means something here
    const std::size_t size = std::min(name.size(), buffer.size());
    std::ranges::transform(name.substr(0, size), buffer.begin(), lowered);
    if (name.size() > buffer.size())
      fields_->add(name, value);
    else
      add_known({buffer.data(), size}, value);
  }
}

void HeadBuilder::add_pseudo(std::string_view name, std::string_view value) {
  if (part_ == Part::trailers) return malformed("pseudo-header field in the trailer section");
  if (regular_seen_) return malformed("pseudo-header field after a regular field");
  if (part_ == Part::response) {
    if (name != ":status") return malformed("undefined pseudo-header field in a response");
    if (!claim(status)) return malformed("duplicate :status");
    unsigned number = 0;
    if (value.size() != 3) return malformed(":status is not a three-digit integer");
    for (const char c : value) {
      if (c < '0' || c > '9') return malformed(":status is not a three-digit integer");
      number = number * 10 + static_cast<unsigned>(c - '0');
    }
    if (number < 100 || (number == 101 && speaks_http2_rules(version_)))
      return malformed("invalid :status for this HTTP version");
    response_->status = number;
    return;
  }
  if (name == ":method") {
    if (!claim(method)) return malformed("duplicate :method");
    if (!is_token(value)) return malformed(":method is not a token");
    request_->method.assign(value);
  } else if (name == ":scheme") {
    if (!claim(scheme)) return malformed("duplicate :scheme");
    if (!is_scheme(value)) return malformed(":scheme is not a scheme");
    request_->scheme.resize(value.size());
    std::ranges::transform(value, request_->scheme.begin(), lowered);
  } else if (name == ":authority") {
    if (!claim(authority)) return malformed("duplicate :authority");
    if (!is_authority(value)) return malformed(":authority is not host[:port]");
    request_->authority.assign(value);
  } else if (name == ":path") {
    if (!claim(path)) return malformed("duplicate :path");
    if (value.size() > limits_->max_path) return fault(Fault::uri_too_long, "the path is too long");
    if (value.empty() || !all_of(value, path_char))
      return malformed(":path is empty or has an invalid character");
    request_->path.assign(value);
  } else if (name == ":protocol" && extended_connect_) {
    if (!claim(protocol)) return malformed("duplicate :protocol");
    if (!is_token(value)) return malformed(":protocol is not a token");
    request_->protocol.assign(value);
  } else {
    malformed("undefined pseudo-header field in a request");
  }
}

/// `name` in lower case. Stores it unless it is one of those that are taken apart here.
void HeadBuilder::add_known(std::string_view name, std::string_view value) {
  const bool strict = speaks_http2_rules(version_);
  switch (name.size()) {
    case 2:
      if (name != "te") break;
      if (!strict) return;
      if (!equal_ignoring_case(value, "trailers")) return malformed("te is not \"trailers\"");
      break;
    case 4:
      if (name != "host") break;
      if (part_ == Part::trailers) return malformed("host in the trailer section");
      if (part_ == Part::response) break;
      if (!claim(host)) return malformed("duplicate host");
      host_.assign(value);
      return;
    case 6:
      if (name == "cookie" && cookies_ < 2) ++cookies_;
      break;
    case 8:
      if (name != "priority" || part_ != Part::request) break;
      if (const auto parsed = parse_priority(value)) request_->priority = *parsed;
      break;
    case 14:
      if (name != "content-length") break;
      if (part_ == Part::trailers) return malformed("content-length in the trailer section");
      if (content_length_) return malformed("duplicate content-length");
      content_length_ = parse_content_length(value);
      // No message is as long as a stream can never be (RFC 9000 §4.5).
      if (!content_length_ || *content_length_ > max_length)
        return malformed("content-length is not a number");
      break;
    default:
      break;
  }
  if (is_connection_specific(name)) {
    if (strict) return malformed("connection-specific header field");
    if (part_ == Part::trailers && name == "transfer-encoding")
      return malformed("transfer-encoding in the trailer section");
    if (name == "connection") nominated_.append(nominated_.empty() ? "" : ",").append(value);
    return;
  }
  fields_->add(name, value);
}

Verdict HeadBuilder::finish() {
  if (verdict_.ok() && part_ == Part::request) check_request();
  if (verdict_.ok() && part_ == Part::response && (seen_ & status) == 0) malformed(":status is missing");
  if (!verdict_.ok()) return verdict_;
  if (cookies_ > 1 && part_ == Part::request) join_cookies();
  if (!nominated_.empty()) drop_nominated();
  return verdict_;
}

void HeadBuilder::check_request() {
  const auto seen = [&](Seen which) { return (seen_ & which) != 0; };
  const bool http1 = !speaks_http2_rules(version_);
  if (!seen(method)) return malformed(":method is missing");
  if (version_ == Version::http1_1 && !seen(host)) return malformed("host is missing");
  if (request_->is_connect() && !seen(protocol)) {
    if (!seen(authority)) return malformed("a CONNECT request has no :authority");
    if (seen(scheme) || seen(path)) return malformed("a CONNECT request has a :scheme or :path");
    return;
  }
  if (seen(protocol) && !request_->is_connect()) return malformed(":protocol without CONNECT");
  if (!seen(scheme)) return malformed(":scheme is missing");
  if (!seen(path)) return malformed(":path is missing");
  if (seen(protocol) && !seen(authority) && !http1) return malformed("a CONNECT request has no :authority");
  if (seen(host)) {
    if (!host_.empty() && !is_authority(host_)) return malformed("host is not host[:port]");
    // RFC 9112 §3.2.2: beside a target that names its host, Host is not looked at.
    if (seen(authority) && !http1 && !equal_ignoring_case(host_, request_->authority))
      return malformed("host and :authority differ");
    if (!seen(authority)) request_->authority = host_;
  }
  if (request_->authority.empty() && version_ != Version::http1_0)
    return malformed("no host in :authority or host");
  const bool asterisk = request_->path == "*" && request_->method == "OPTIONS";
  if (request_->path.front() != '/' && !asterisk) return malformed(":path does not start with a slash");
}

/// RFC 9113 §8.2.3, RFC 9114 §4.2.1: what was split for the sake of compression is one field to everybody
/// else.
void HeadBuilder::join_cookies() {
  std::string all;
  for (const Fields::Field field : *fields_) {
    if (field.name != "cookie" || field.value.empty()) continue;
    if (!all.empty()) all += "; ";
    all += field.value;
  }
  fields_->set("cookie", all);
}

/// RFC 9110 §7.6.1: a field that Connection names ends at this hop. Those that frame or route a message are
/// not to be had this way.
void HeadBuilder::drop_nominated() {
  std::string_view rest(nominated_);
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    std::string name(trimmed(rest.substr(0, comma)));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    std::ranges::transform(name, name.begin(), lowered);
    if (name.empty() || name == "content-length" || name == "authorization" ||
        name == "proxy-authorization" || name == "cookie")
      continue;
    fields_->remove(name);
  }
}

}  // namespace sallyport::http
