// Admin: the pages for the operator, over plain HTTP/1.1 on a port or a Unix socket of their own: /healthz,
// /readyz and /metrics, nothing else. The first two say one word that a load balancer finds out anyway, and a
// kubelet asks for them without credentials; /metrics may want a token.
#pragma once

#include "gateway/tcp_front.h"
#include "http/replies.h"
#include "masque/authenticator.h"

#include <functional>
#include <list>
#include <memory>
#include <string>

namespace sallyport::gateway {

class Admin final : private http::RequestHandler {
 public:
  /// What the pages tell of.
  class Source {
   public:
    /// Listening and not draining.
    virtual bool is_ready() const = 0;
    /// Calls back once, with the page or with nothing when it could not be made in time; perhaps inside this
    /// call.
    virtual void make_metrics(std::function<void(std::string text)> done) = 0;

   protected:
    ~Source() = default;
  };

  /// `source` is not owned and must outlive the result. `tokens`: who may see /metrics; null: everybody.
  static Result<std::unique_ptr<Admin>> listen(net::Inbound& inbound, net::Timers& timers,
                                               const net::SocketAddress& local, Source& source,
                                               std::shared_ptr<const masque::TokenTable> tokens);
  static Result<std::unique_ptr<Admin>> listen_unix(net::Inbound& inbound, net::Timers& timers,
                                                    const std::string& path, Source& source,
                                                    std::shared_ptr<const masque::TokenTable> tokens);
  ~Admin();
  /// Only where there were some.
  void set_tokens(std::shared_ptr<const masque::TokenTable> tokens) {
    authenticator_.set_tokens(std::move(tokens));
  }
  const masque::AuthenticationCounters& refused() const { return authenticator_.counters(); }
  net::SocketAddress local() const { return front_->local(); }

 private:
  class Scrape;

  Admin(net::Timers& timers, Source& source, std::shared_ptr<const masque::TokenTable> tokens);
  void on_request(http::Exchange& exchange) override;

  net::Timers& timers_;
  Source& source_;
  masque::Authenticator authenticator_;
  http::Replies replies_;
  std::list<std::shared_ptr<Scrape>> scrapes_;
  std::unique_ptr<TcpFront> front_;  // goes first: its exchanges refer to the scrapes
};

}  // namespace sallyport::gateway
