// The small parts of URIs that proxy templates and request paths are made of (RFC 3986, RFC 6570): percent-
// encoding, hosts, and two variables in a query. For uri_template, ip_scope and dns_capsules.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::masque {

bool is_alphanumeric(char c);
/// Whether "%" and two hexadecimal digits stand at `at`.
bool is_escape(std::string_view text, std::size_t at);
/// Appends `value` with all but unreserved characters (RFC 3986 §2.3) encoded.
void append_encoded(std::string& out, std::string_view value);
/// nullopt where a "%" is no escape.
std::optional<std::string> percent_decode(std::string_view text);

/// An IPv4 or IPv6 address without zone (a zone means nothing to another machine), or what may stand in a DNS
/// name.
bool is_host(std::string_view host);

/// What an error message may repeat of a peer's words.
std::string quoted(std::string_view text);

/// The values of a query under two names, as they stand there. Each may be there once: two of a kind would
/// mean one target to us and another to whoever filters in front of us.
struct QueryPair {
  QueryPair(std::string_view query, std::string_view first_name, std::string_view second_name);

  std::optional<std::string_view> first, second;
  bool twice = false;
};

}  // namespace sallyport::masque
