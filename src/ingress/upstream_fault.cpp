#include "ingress/upstream_fault.h"

namespace sallyport::ingress {

masque::Refusal refusal_for_backend(const Error& why, bool sent) {
  switch (why.kind) {
    case ErrorKind::resolve:
      return {502, "dns_error", "bad gateway: the backend's name was not found"};
    case ErrorKind::timeout:
      return sent ? masque::Refusal{504, "http_response_timeout", "gateway timeout: the backend is silent"}
                  : masque::Refusal{504, "connection_timeout",
                                    "gateway timeout: no connection to the backend"};
    case ErrorKind::refused:
    case ErrorKind::unreachable:
      return sent ? masque::Refusal{503, "destination_unavailable",
                                    "service unavailable: the backend refused the request"}
                  : masque::Refusal{502, "connection_refused", "bad gateway: no connection to the backend"};
    case ErrorKind::tls:
      return {502, "tls_protocol_error", "bad gateway: no secure connection to the backend"};
    case ErrorKind::protocol:
    case ErrorKind::too_large:
    case ErrorKind::http:
      return {502, "http_protocol_error", "bad gateway: the backend's response is invalid"};
    case ErrorKind::closed:
      return {502, sent ? "http_response_incomplete" : "connection_terminated",
              "bad gateway: the backend closed the connection"};
    case ErrorKind::resource:
      return {503, "connection_limit_reached", "service unavailable: too much is asked of the backend"};
    default:
      return {502, "proxy_internal_error", "bad gateway: the request could not be passed on"};
  }
}

}  // namespace sallyport::ingress
