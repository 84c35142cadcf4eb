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
#include <string>
#include <vector>

namespace sallyport::ingress {

struct UpstreamCounters {
  std::uint64_t requests = 0;  ///< sent
  std::uint64_t connections = 0, connect_failures = 0;
  std::uint64_t ejections = 0;  ///< times that it was left out because of its responses
};

struct UpstreamOptions {
  std::size_t most_connections = 1024;  ///< open, or being made
  std::size_t most_waiting = 1024;      ///< requests; more are refused with kind resource
  Duration most_wait = 15s;             ///< for a connection, longer than making one takes; then likewise
  /// An older connection to a named host takes no new request, so that changes in DNS are followed.
  Duration most_age = 300s;
  /// TLS offers HTTP/1.1 alone: for WebSockets, which few servers take over HTTP/2 (RFC 8441).
  bool http1_only = false;
};

class Upstream {
 public:
  /// A connection. A user has it from User::on_connection() until release().
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

  /// `context` and `graveyard`, which takes the connections that are open at the end, must outlive this.
  Upstream(dial::Context& context, dial::Graveyard& graveyard, config::Backend backend,
           std::shared_ptr<UpstreamCounters> counters, UpstreamOptions options = {});
  /// Nobody uses it any more.
  ~Upstream();
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  /// Calls `user` once, maybe inside this call, unless cancel() comes before.
  void want(User& user);
  void cancel(User& user);

  /// Requests that are sent or wait: what a balancer compares.
  std::size_t active() const { return active_ + waiting_.size(); }
  /// It could not be reached lately, or failed in several requests one after the other, and is not to be
  /// tried where there are others (a back-off that grows).
  bool is_down(Time now) const { return now < down_until_ || now < ejected_until_; }
  /// The status of its response to a request: 502, 503 and 504 are failures.
  void note_response(unsigned status, Time now);
  /// A request that was sent got no response.
  void note_failure(Time now);
  const config::Backend& backend() const { return backend_; }
  const std::string& name() const { return name_; }
  std::size_t connections() const { return leases_.size(); }

 private:
  struct Waiting {
    User* user;
    Time since;
  };

  void serve(Time now);
  void wait_on(Time now);
  void give_up_old(Time now);
  void dial();
  std::size_t dials_wanted() const;
  bool give(User& user);
  void place(Lease& lease);
  void on_lease_ready(Lease& lease);
  void on_lease_ended(Lease& lease, const Error* why);
  void connect_failed(const Error& why);
  dial::Security security() const;
  void warn(std::string_view what, Time now);

  dial::Context& context_;
  dial::Graveyard& graveyard_;
  const config::Backend backend_;
  const std::string name_;
  const bool is_named_;  // by a host name
  const UpstreamOptions options_;
  const std::shared_ptr<UpstreamCounters> counters_;
  dial::DirectDialer dialer_;
  std::list<std::unique_ptr<Lease>> leases_;
  // That can take a request, as far as is known, the last used last; and those of HTTP/2 and HTTP/3 that have
  // no free stream, which may get some at any time.
  std::vector<Lease*> free_, full_;
  std::vector<Lease*> released_;  // in this turn
  bool sweeps_ = false;           // some are over
  std::deque<Waiting> waiting_;
  std::size_t active_ = 0;    // requests sent
  std::size_t dialling_ = 0;  // connections being made
  bool multiplexes_;          // a connection carries many requests, as far as is known
  unsigned failures_ = 0;     // to connect, one after the other
  Time down_until_{};
  unsigned failed_requests_ = 0, ejected_ = 0;  // one after the other
  Time ejected_until_{};
  Time warned_until_{};  // that it cannot be reached, or fails
  net::Deferred serve_;
  net::Timer wait_;  // while requests wait
  Lifetime lifetime_;
};

class Upstream::Lease final : dial::DialEvents {
 public:
  explicit Lease(Upstream& upstream) : upstream_(upstream) {}

  http::Connection& connection() { return dialled_->connection(); }
  /// Asked in on_connection(): it had carried requests before, and none was on it now. The backend may have
  /// closed it at the moment that this one was sent.
  bool was_idle() const { return users_ == 1 && requests_ > 1; }
  /// It can carry nothing more.
  bool is_gone() const { return ended_ || !dialled_->connection().can_request(); }
  /// The request that was sent on it is over: in its on_closed at the latest. Once for each on_connection().
  void release();

 private:
  friend class Upstream;
  enum class Place : std::uint8_t { none, free, full };

  void on_ready(dial::Dialled&) override;
  void on_ended(dial::Dialled&, const Error* why) override;
  bool can_take() const {
    return ready_ && !ended_ && !is_too_old() && dialled_->connection().can_request() &&
           dialled_->connection().free_streams() > 0;
  }
  bool is_too_old() const;

  Upstream& upstream_;
  std::unique_ptr<dial::Dialled> dialled_;
  std::size_t users_ = 0;
  std::uint64_t requests_ = 0;
  Time born_{};
  bool ready_ = false, ended_ = false;
  Place place_ = Place::none;
};

}  // namespace sallyport::ingress
