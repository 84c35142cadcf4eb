// What is forwarded of a message: the request that a backend gets, and the response that a client does.
// Fields of one connection (RFC 9110 §7.6.1) are left out by http; here it is those by which a gateway
// speaks, and those that nobody but a gateway may say: X-Forwarded-*, Forwarded (RFC 7239) and X-Request-ID,
// which are believed of trusted proxies in front of this one only (docs/threat-model.md, "forwarded fields"),
// and what is said of its certificate (docs/threat-model.md, "claimed certificate").
#pragma once

#include "base/random.h"
#include "http/exchange.h"

#include <string>
#include <string_view>

namespace sallyport::ingress {

struct ForwardedBy {
  std::string_view pseudonym;   ///< of this gateway in Via (RFC 9110 §7.6.3): no other gateway's
  std::string_view request_id;  ///< see request_id()
  bool trusts_client = false;  ///< who sent the request is a proxy whose fields about its client are believed
  /// Client-Cert-Chain is said besides Client-Cert (RFC 9440).
  bool client_certificate_chain = false;
};

/// `client`: its exchange. `scheme`: of the backend; `host`: of a request that names none. The result keeps
/// method, authority, path, protocol and priority.
http::Request request_for_backend(const http::Exchange& client, std::string_view scheme,
                                  std::string_view host, const ForwardedBy& by);

/// For X-Request-ID and the access log: a trusted client's own, or a new one of 128 random bits.
std::string request_id(const http::Request& request, bool trusts_client, Random& random);

/// Of an interim or final response.
http::Response response_for_client(const http::Response& backend);

/// Of either side, without those that may not be in a trailer section (RFC 9110 §6.5.1) and those that are
/// the gateway's to say.
http::Fields trailers_to_forward(const http::Fields& trailers);

/// Whether the request has been at this gateway before.
bool is_loop(const http::Request& request, std::string_view pseudonym);

}  // namespace sallyport::ingress
