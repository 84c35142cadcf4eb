// Pages: the operator's pages /healthz, /readyz and /metrics, over plain HTTP/1.1 on a separate port or Unix
// socket. /healthz and /readyz need no token: they reveal only what a connection attempt shows, and a
// kubelet's probes carry no credentials. /metrics may require a token.
#pragma once

#include "http/replies.h"
#include "http/tcp_front.h"
#include "masque/authenticator.h"

#include <functional>
#include <list>
#include <memory>
#include <string>

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

   protected:
    ~Source() = default;
  };

  /// `source` is not owned and must outlive the result. `tokens`: accepted for /metrics; null: no
  /// authentication.
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
  class Scrape;

  Pages(net::Timers& timers, Source& source, std::shared_ptr<const masque::TokenTable> tokens);
  static Result<std::unique_ptr<Pages>> make(net::Timers& timers, Source& source,
                                             std::shared_ptr<const masque::TokenTable> tokens,
                                             const auto& listen);
  void on_request(http::Exchange& exchange) override;

  net::Timers& timers_;
  Source& source_;
  masque::Authenticator authenticator_;
  http::Replies replies_;
  std::list<std::shared_ptr<Scrape>> scrapes_;
  std::unique_ptr<http::TcpFront> front_;  // goes first: its exchanges refer to the scrapes
};

}  // namespace sallyport::admin
