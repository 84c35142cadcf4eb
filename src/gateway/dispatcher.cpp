#include "gateway/dispatcher.h"

#include "gateway/file_server.h"
#include "masque/proxy.h"

#include <utility>

namespace sallyport::gateway {
namespace {

/// Safe methods (RFC 9110 §9.2.1) do no harm when a 0-RTT request is replayed.
bool is_safe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

Dispatcher::Dispatcher(Replies& replies, FileServer* files, http::RequestHandler* proxy,
                       std::shared_ptr<const tls::ServerCredentials> credentials)
    : replies_(replies), files_(files), proxy_(proxy), credentials_(std::move(credentials)) {}

void Dispatcher::set_credentials(std::shared_ptr<const tls::ServerCredentials> credentials) {
  credentials_ = std::move(credentials);
  last_authority_.clear();
}

bool Dispatcher::covers(std::string_view authority) {
  // HTTP/1.0 may do without; for all others it was found to be there before.
  if (authority.empty() || !credentials_) return true;
  if (authority != last_authority_) {
    last_covered_ = credentials_->covers(host_of(authority));
    last_authority_ = authority;
  }
  return last_covered_;
}

void Dispatcher::dispatch(const Incoming& in) {
  const auto& request = in.exchange.request();
  ++counters_.requests[ReplyCounters::index(in.exchange.version())];
  if (request.early_data && !is_safe(request.method)) {
    ++counters_.too_early;
    return replies_.sentence(in, 425, "this request may not come in early data; send it again");
  }
  // The authority of a CONNECT is its target, or a proxy's under a name that its users chose.
  if (request.is_connect()) return answer_connect(in);
  if (!covers(request.authority)) {
    ++counters_.misdirected;
    return replies_.sentence(in, 421,
                             "the certificate of this server does not cover the host that was asked for");
  }
  if (files_ == nullptr) return replies_.sentence(in, 404, "there are no files here");
  files_->serve(in);
}

void Dispatcher::answer_connect(const Incoming& in) {
  const auto& request = in.exchange.request();
  if (proxy_ != nullptr && masque::Proxy::wants(request)) return proxy_->on_request(in.exchange);
  // RFC 9220 §3, RFC 8441 §4: a protocol that is not known.
  if (request.protocol == "connect-ip") return replies_.sentence(in, 501, "CONNECT-IP is not available yet");
  replies_.sentence(
      in, 501, proxy_ == nullptr ? "this server is no proxy" : "this server does not speak that protocol");
}

}  // namespace sallyport::gateway
