// Admin: the pages for the operator, over plain HTTP/1.1 on a port of their own: /healthz, /readyz and
// /metrics, nothing else.
#pragma once

#include "gateway/replies.h"
#include "gateway/tcp_front.h"

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

  /// `source` is not owned and must outlive the result.
  static Result<std::unique_ptr<Admin>> listen(net::EventLoop& loop, const net::SocketAddress& local,
                                               Source& source);
  ~Admin();
  net::SocketAddress local() const { return front_->local(); }

 private:
  class Scrape;

  explicit Admin(Source& source) : source_(source) {}
  void on_request(http::Exchange& exchange) override;

  Source& source_;
  Replies replies_;
  std::list<std::shared_ptr<Scrape>> scrapes_;
  std::unique_ptr<TcpFront> front_;  // goes first: its exchanges refer to the scrapes
};

}  // namespace sallyport::gateway
