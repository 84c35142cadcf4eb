// The URI templates by which a client finds a proxy's CONNECT-UDP, CONNECT-TCP and CONNECT-IP resources (RFC
// 9298 §3, RFC 9484 §3, RFC 6570 level 3 as far as those use it), and how a proxy reads the variables back
// out of a request's path.
#pragma once

#include "base/result.h"
#include "masque/ip_scope.h"
#include "masque/protocol.h"

#include <string>
#include <string_view>

namespace sallyport::masque {

/// Where a tunnel should lead.
struct Target {
  std::string host;  ///< a name, or an address without brackets
  std::uint16_t port = 0;
  friend bool operator==(const Target&, const Target&) = default;
  std::string to_string() const;  ///< "host:port", with brackets where needed
};

inline constexpr std::string_view default_udp_template_path =
    "/.well-known/masque/udp/{target_host}/{target_port}/";
inline constexpr std::string_view default_ip_template_path = "/.well-known/masque/ip/{target}/{ipproto}/";

/// A proxy as a user names it: "https://host[:port]" (the default template is added) or a whole template,
/// both also without the scheme.
class ProxyTemplate {
 public:
  /// `carried`: what the tunnels are for, which chooses the default and what a template has to have. The
  /// error says what is wrong with `text`, and leaves it to the caller to name it.
  static Result<ProxyTemplate> parse(std::string_view text, Protocol carried = Protocol::udp);
  /// As net::parse_host() has it.
  const std::string& host() const { return host_; }
  std::uint16_t port() const { return port_; }
  /// "host:port", the port left out where it is 443.
  std::string authority() const;
  /// :path for a tunnel to `target`.
  std::string expand(const Target& target) const;
  /// :path for a tunnel of a template for Protocol::ip. Error kind usage: the template has no variable for
  /// what `scope` limits.
  Result<std::string> expand(const IpScope& scope) const;

 private:
  std::string host_;
  std::uint16_t port_ = 443;
  std::string path_;
  Protocol carried_ = Protocol::udp;
};

/// A proxy's side: the target in `path` (default template, with or without its last slash, or the query form
/// ?h=&p= / ?target_host=&target_port=). Error kind protocol for malformed values (400); kind closed when the
/// path is none of ours (404).
Result<Target> match_udp_path(std::string_view path);

/// The same of CONNECT-IP (RFC 9484 §4.1): default template or the query form ?target=&ipproto=, where either
/// may be left out.
Result<IpScope> match_ip_path(std::string_view path);

/// "host:port" of a CONNECT request's authority.
Result<Target> parse_authority(std::string_view authority);

}  // namespace sallyport::masque
