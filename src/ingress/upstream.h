// Upstream: one backend as a worker sees it: connections that are kept open and used again, those that are
// being made, and who waits for one. Over HTTP/1.1 a connection carries one request at a time, over HTTP/2
// and HTTP/3 as many as the backend allows. One for all routes that lead there; used by one thread.
#pragma once

#include "base/lifetime.h"
#include "config/route.h"
#include "dial/context.h"
#include "dial/direct_dialer.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

namespace sallyport::ingress {

struct UpstreamCounters {
  std::uint64_t requests = 0;  ///< sent
  std::uint64_t connections = 0, connect_failures = 0;
};

struct UpstreamLimits {
  std::size_t connections = 1024;  ///< open, or being made
  std::size_t waiting = 1024;      ///< requests; more are refused with kind resource
};

class Upstream {
 public:
  /// Its use for a request: from UpstreamUser::on_connection() until release().
  class Lease;

  /// Who wants to send a request.
  class User {
   public:
    /// A request may be sent on `lease`, inside this call and not later.
    virtual void on_connection(Lease& lease) = 0;
    /// There is none to be had.
    virtual void on_no_connection(const Error& why) = 0;

   protected:
    ~User() = default;
  };

  /// `context` must outlive this.
  Upstream(dial::Context& context, config::Backend backend, UpstreamLimits limits = {});
  ~Upstream();
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  /// Calls `user` once, maybe inside this call, unless cancel() comes before.
  void want(User& user);
  void cancel(User& user);

  /// Requests that are sent or wait: what a balancer compares.
  std::size_t active() const { return active_ + waiting_.size(); }
  /// It could not be reached lately, and is not to be tried where there are others (a back-off that grows).
  bool is_down(Time now) const { return now < down_until_; }
  const config::Backend& backend() const { return backend_; }
  const std::string& name() const { return name_; }
  std::size_t connections() const { return leases_.size(); }
  const UpstreamCounters& counters() const { return counters_; }

 private:
  void serve(Time now);
  void dial();
  bool give(User& user);
  void on_lease_ready(Lease& lease);
  void on_lease_ended(Lease& lease, const Error* why);
  void connect_failed(const Error& why);
  dial::Security security() const;

  dial::Context& context_;
  const config::Backend backend_;
  const std::string name_;
  const UpstreamLimits limits_;
  dial::DirectDialer dialer_;
  std::list<std::unique_ptr<Lease>> leases_;
  std::vector<Lease*> free_;      // that can take a request, as far as is known; the last used is the last
  std::vector<Lease*> released_;  // in this turn
  bool sweeps_ = false;           // some are over
  std::deque<User*> waiting_;
  std::size_t active_ = 0;    // requests sent
  std::size_t dialling_ = 0;  // connections being made
  bool multiplexes_ = false;  // a connection carries many requests, as far as is known
  unsigned failures_ = 0;     // to connect, one after the other
  Time down_until_{};
  UpstreamCounters counters_;
  net::Deferred serve_;
  Lifetime lifetime_;
};

class Upstream::Lease final : dial::DialEvents {
 public:
  explicit Lease(Upstream& upstream) : upstream_(upstream) {}

  http::Connection& connection() { return dialled_->connection(); }
  /// It had a request before: the backend may have closed it at the moment that this one was sent.
  bool is_reused() const { return requests_ > 1; }
  /// The request that was sent on it is over: in its on_closed at the latest. Once for each on_connection().
  void release();

 private:
  friend class Upstream;
  void on_ready(dial::Dialled&) override;
  void on_ended(dial::Dialled&, const Error* why) override;
  bool can_take() const {
    return ready_ && !ended_ && dialled_->connection().can_request() &&
           dialled_->connection().free_streams() > 0;
  }

  Upstream& upstream_;
  std::unique_ptr<dial::Dialled> dialled_;
  std::size_t users_ = 0;
  std::uint64_t requests_ = 0;
  bool ready_ = false, ended_ = false;
  bool is_free_ = false;  // it is in free_
};

}  // namespace sallyport::ingress
