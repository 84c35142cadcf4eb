// Dispatcher: decides who answers a request: the proxy, the file server, or nobody. Checks first what holds
// for all of them: that the certificate covers the host (421, RFC 9110 §7.4), that it is asked for as what it
// is here and not as a proxy's (501), and that nothing unsafe came in early data (425, RFC 8470 §5.2). One a
// worker.
#pragma once

#include "http/connection.h"
#include "http/replies.h"
#include "masque/proxy_status.h"
#include "tls/credentials.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::files {
class FileServer;
}

namespace sallyport::gateway {

struct DispatchCounters {
  std::array<std::uint64_t, http::ReplyCounters::versions> requests{};  ///< tunnels included
  std::uint64_t misdirected = 0, too_early = 0;
};

class Dispatcher {
 public:
  /// `files` and `proxy` may be null; they are not owned. So may `credentials`: then every host is served.
  Dispatcher(http::Replies& replies, files::FileServer* files, http::RequestHandler* proxy,
             std::shared_ptr<const tls::ServerCredentials> credentials);
  /// For requests from now on; those of open connections may go on to ask for what the earlier ones cover.
  void set_credentials(std::shared_ptr<const tls::ServerCredentials> credentials);
  void dispatch(const http::Incoming& in);
  const DispatchCounters& counters() const { return counters_; }

 private:
  bool covers(std::string_view authority);
  void answer_connect(const http::Incoming& in);
  void refuse_to_proxy(const http::Incoming& in, const masque::Refusal& refusal);

  http::Replies& replies_;
  files::FileServer* const files_;
  http::RequestHandler* const proxy_;
  std::shared_ptr<const tls::ServerCredentials> credentials_;
  // Those before; a connection's TLS session holds the ones that it was opened with.
  std::vector<std::weak_ptr<const tls::ServerCredentials>> earlier_;
  // Most requests in a row ask for the same authority.
  std::string last_authority_;
  bool last_covered_ = false;
  DispatchCounters counters_;
};

/// The way in of one listener: what differs between listeners, in front of what they share.
class Entrance final : public http::RequestHandler {
 public:
  /// `log` is not owned; null: nobody keeps a record.
  Entrance(Dispatcher& dispatcher, std::string alt_svc, http::ExchangeLog* log = nullptr)
      : dispatcher_(dispatcher), alt_svc_(std::move(alt_svc)), log_(log) {}
  void on_request(http::Exchange& exchange) override { dispatcher_.dispatch({exchange, alt_svc_}); }
  http::ExchangeLog* log() override { return log_; }

 private:
  Dispatcher& dispatcher_;
  const std::string alt_svc_;
  http::ExchangeLog* const log_;
};

/// The host of an authority: no port, no brackets.
std::string_view host_of(std::string_view authority);

}  // namespace sallyport::gateway
