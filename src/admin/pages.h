// Pages: the operator's pages, over plain HTTP/1.1 on a separate port or Unix socket: /healthz, /readyz,
// /metrics, and the leases of CONNECT-IP where there may be some. /healthz and /readyz need no token: they
// reveal only what a connection attempt shows, and a kubelet's probes carry no credentials. All else may
// require a token.
//
// What changes something is asked for by DELETE: a page of the Web that the operator's browser shows may send
// GET and POST here, but not that (Fetch standard, CORS). Where no token is needed, the Host field must be an
// address or localhost, as a page could have its own name lead here (DNS rebinding).
#pragma once

#include "http/replies.h"
#include "http/tcp_front.h"
#include "masque/authenticator.h"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::admin {

class Pages final : private http::RequestHandler {
 public:
  /// The source of the pages' data.
  class Source {
   public:
    /// Whether it does its work: a gateway listens and is not draining, each device of a tun has an address.
    virtual bool is_ready() const = 0;
    /// Calls back once, with the page, or with an empty text when it could not be made in time; perhaps
    /// inside this call.
    virtual void make_metrics(std::function<void(std::string text)> done) = 0;
    /// Whether there are the pages of leases; without them the two below are not called.
    virtual bool has_leases() const { return false; }
    /// As make_metrics().
    virtual void make_leases(bool json, std::function<void(std::string text)> done);
    /// Ends the CONNECT-IP tunnel that has this address. Calls back once: whether there was one, or nullopt
    /// when that was not known in time; perhaps inside this call.
    virtual void disconnect(const net::IpAddress& address, std::function<void(std::optional<bool>)> done);

   protected:
    ~Source() = default;
  };

  /// `source` is not owned and must outlive the result. `tokens`: accepted for what may require one;
  /// null: no authentication.
  static Result<std::unique_ptr<Pages>> listen(net::Inbound& inbound, net::Timers& timers,
                                               const net::SocketAddress& local, Source& source,
                                               std::shared_ptr<const masque::TokenTable> tokens);
  static Result<std::unique_ptr<Pages>> listen_unix(net::Inbound& inbound, net::Timers& timers,
                                                    const std::string& path, Source& source,
                                                    std::shared_ptr<const masque::TokenTable> tokens);
  ~Pages();
  /// Only where there were some.
  void set_tokens(std::shared_ptr<const masque::TokenTable> tokens) {
    authenticator_.set_tokens(std::move(tokens));
  }
  const masque::AuthenticationCounters& refused() const { return authenticator_.counters(); }
  net::SocketAddress local() const { return front_->local(); }

 private:
  class Waiting;

  Pages(net::Timers& timers, Source& source, std::shared_ptr<const masque::TokenTable> tokens);
  static Result<std::unique_ptr<Pages>> make(net::Timers& timers, Source& source,
                                             std::shared_ptr<const masque::TokenTable> tokens,
                                             const auto& listen);
  void on_request(http::Exchange& exchange) override;
  void answer_page(const http::Incoming& in, std::string_view path);
  void answer_disconnect(const http::Incoming& in, std::string_view address);
  /// False: the request has no token that is good, and was answered.
  bool authenticate(const http::Incoming& in);
  std::weak_ptr<Waiting> wait_for_workers(http::Exchange& exchange);

  net::Timers& timers_;
  Source& source_;
  masque::Authenticator authenticator_;
  http::Replies replies_;
  bool on_unix_socket_ = false;  // which no browser reaches
  std::list<std::shared_ptr<Waiting>> waiting_;
  std::unique_ptr<http::TcpFront> front_;  // goes first: its exchanges refer to those that wait
};

}  // namespace sallyport::admin
