#include "ingress/upstream.h"

#include "base/log.h"
#include "net/address.h"

#include <algorithm>
#include <utility>

namespace sallyport::ingress {
namespace {

constexpr Duration first_back_off = 250ms, longest_back_off = 10s;
constexpr unsigned failures_in_a_row = 5;
constexpr Duration warning_interval = 10s;
constexpr Duration first_ejection = 10s, longest_ejection = 300s;
/// How often connections without a free stream are looked at while requests wait for one.
constexpr Duration look_interval = 20ms;

}  // namespace

Upstream::Upstream(dial::Context& context, dial::Graveyard& graveyard, config::Backend backend,
                   std::shared_ptr<UpstreamCounters> counters, UpstreamOptions options)
    : context_(context),
      graveyard_(graveyard),
      backend_(std::move(backend)),
      name_(backend_.to_string()),
      is_named_(!net::IpAddress::parse(backend_.host)),
      options_(options),
      counters_(std::move(counters)),
      dialer_(context),
      multiplexes_(backend_.protocol != config::BackendProtocol::http1 && !options.http1_only),
      serve_(context.timers(), [this](Time now) { serve(now); }),
      wait_(context.timers(), [this](Time now) { serve(now); }) {}

Upstream::~Upstream() {
  for (auto& lease : leases_) graveyard_.take(std::move(lease->dialled_));
}

dial::Security Upstream::security() const {
  using Layer = dial::Security::Layer;
  const auto& certificate = context_.certificate;
  switch (backend_.protocol) {
    case config::BackendProtocol::http1:
      return {.layer = Layer::plain, .alpn = {"http/1.1"}};
    case config::BackendProtocol::h2c:
      return {.layer = Layer::plain, .alpn = {"h2"}};
    case config::BackendProtocol::https:
      if (options_.http1_only) return {.layer = Layer::tls, .alpn = {"http/1.1"}, .certificate = certificate};
      return {.layer = Layer::tls, .certificate = certificate};
    case config::BackendProtocol::h3:
      return {.layer = Layer::quic, .certificate = certificate};
  }
  return {};
}

void Upstream::note_response(unsigned status, Time now) {
  if (status >= 502 && status <= 504) return note_failure(now);
  failed_requests_ = ejected_ = 0;
}

void Upstream::note_failure(Time now) {
  if (now < ejected_until_) return;  // of before
  if (++failed_requests_ < failures_in_a_row) return;
  failed_requests_ = 0;
  ++counters_->ejections;
  ejected_until_ = now + std::min(first_ejection * (1u << std::min(ejected_, 8u)), longest_ejection);
  ++ejected_;
  warn("failed in several requests one after the other and is left out for a while, where there are others",
       now);
}

/// What happens again and again is in the metrics.
void Upstream::warn(std::string_view what, Time now) {
  if (now < warned_until_) return;
  warned_until_ = now + warning_interval;
  log_warn("the backend {} {}", name_, what);
}

void Upstream::want(User& user) {
  if (waiting_.empty() && give(user)) return;
  if (waiting_.size() >= options_.most_waiting)
    return user.on_no_connection({ErrorKind::resource, "too many requests wait for the backend"});
  const Time now = context_.timers().now();
  waiting_.push_back({&user, now});
  wait_on(now);
  dial();
}

void Upstream::cancel(User& user) {
  std::erase_if(waiting_, [&user](const Waiting& waiting) { return waiting.user == &user; });
}

/// False: no connection is free.
bool Upstream::give(User& user) {
  while (!free_.empty()) {
    Lease& lease = *free_.back();
    const bool can_take = lease.can_take();
    // One of HTTP/1.1 is busy then; of the others it shows next time.
    if (!can_take || lease.connection().info().version < http::Version::http2) {
      free_.pop_back();
      lease.place_ = Lease::Place::none;
    }
    if (!can_take) {
      place(lease);
      continue;
    }
    ++active_;
    ++lease.users_;
    ++lease.requests_;
    ++counters_->requests;
    user.on_connection(lease);
    return true;
  }
  return false;
}

/// Puts a connection where it belongs.
void Upstream::place(Lease& lease) {
  if (!lease.ready_ || lease.ended_ || lease.place_ != Lease::Place::none || lease.is_too_old()) return;
  if (lease.can_take()) {
    lease.place_ = Lease::Place::free;
    free_.push_back(&lease);
  } else if (lease.connection().info().version >= http::Version::http2 && lease.connection().can_request()) {
    lease.place_ = Lease::Place::full;
    full_.push_back(&lease);
  }
}

std::size_t Upstream::dials_wanted() const {
  if (!multiplexes_) return waiting_.size();
  // Where the backend allows no stream at all for now, one connection more would have none either.
  const bool is_awaited = std::ranges::any_of(full_, [](const Lease* lease) { return lease->users_ == 0; });
  return waiting_.empty() || is_awaited ? 0 : 1;
}

/// Makes as many connections as those who wait need.
void Upstream::dial() {
  while (dialling_ < dials_wanted() && leases_.size() < options_.most_connections) {
    const Lifetime::Guard guard(lifetime_);
    ++dialling_;
    Lease& lease = *leases_.emplace_back(std::make_unique<Lease>(*this));
    lease.dialled_ =
        dialer_.dial({.host = backend_.host, .port = backend_.port, .title = name_}, security(), lease);
    lease.dialled_->start();
    if (guard.gone()) return;
  }
}

void Upstream::on_lease_ready(Lease& lease) {
  --dialling_;
  failures_ = 0;
  down_until_ = {};
  ++counters_->connections;
  multiplexes_ = lease.connection().info().version >= http::Version::http2;
  place(lease);
  serve_.request();
}

void Upstream::on_lease_ended(Lease& lease, const Error* why) {
  std::erase(free_, &lease);
  std::erase(full_, &lease);
  sweeps_ = true;
  serve_.request();  // where it is destroyed
  if (lease.ready_) return;
  --dialling_;
  connect_failed(why != nullptr ? *why : Error{ErrorKind::closed, "the backend closed the connection"});
}

void Upstream::connect_failed(const Error& why) {
  ++counters_->connect_failures;
  // What this machine lacks is no fault of the backend.
  if (why.kind != ErrorKind::resource) {
    const Time now = context_.timers().now();
    // Connections that were being made at the same time failed together.
    if (now >= down_until_) ++failures_;
    warn("cannot be reached: " + why.message, now);
    down_until_ = now + std::min(first_back_off * (1u << std::min(failures_ - 1, 8u)), longest_back_off);
  }
  // Each connection was for one of them, or for all.
  std::size_t count = multiplexes_ ? waiting_.size() : std::min<std::size_t>(waiting_.size(), 1);
  const Lifetime::Guard guard(lifetime_);
  for (; count > 0 && !guard.gone() && !waiting_.empty(); --count) {
    User& user = *waiting_.front().user;
    waiting_.pop_front();
    user.on_no_connection(why);
  }
}

/// At the end of a turn: connections that are over go, those who wait get the free ones.
void Upstream::serve(Time now) {
  for (Lease* lease : std::exchange(released_, {})) place(*lease);
  if (std::exchange(sweeps_, false))
    std::erase_if(leases_, [](const auto& lease) { return lease->ended_ && lease->users_ == 0; });
  for (Lease* lease : std::exchange(full_, {})) {
    lease->place_ = Lease::Place::none;
    place(*lease);
  }
  const Lifetime::Guard guard(lifetime_);
  while (!waiting_.empty() && !free_.empty()) {
    const Waiting first = waiting_.front();
    waiting_.pop_front();
    const bool given = give(*first.user);
    if (guard.gone()) return;
    if (!given) waiting_.push_front(first);
  }
  give_up_old(now);
  if (guard.gone()) return;
  wait_on(now);
  dial();
}

void Upstream::give_up_old(Time now) {
  const Lifetime::Guard guard(lifetime_);
  while (!guard.gone() && !waiting_.empty() && waiting_.front().since + options_.most_wait <= now) {
    User& user = *waiting_.front().user;
    waiting_.pop_front();
    user.on_no_connection({ErrorKind::resource, "no connection to the backend became free in time"});
  }
}

void Upstream::wait_on(Time now) {
  if (waiting_.empty()) return wait_.disarm();
  const Time given_up = waiting_.front().since + options_.most_wait;
  wait_.arm(full_.empty() ? given_up : std::min(given_up, now + look_interval));
}

void Upstream::Lease::release() {
  --users_;
  --upstream_.active_;
  upstream_.released_.push_back(this);
  upstream_.sweeps_ |= ended_;
  upstream_.serve_.request();
}

bool Upstream::Lease::is_too_old() const {
  return upstream_.is_named_ && upstream_.context_.timers().now() - born_ >= upstream_.options_.most_age;
}

void Upstream::Lease::on_ready(dial::Dialled&) {
  ready_ = true;
  born_ = upstream_.context_.timers().now();
  upstream_.on_lease_ready(*this);
}

void Upstream::Lease::on_ended(dial::Dialled&, const Error* why) {
  ended_ = true;
  upstream_.on_lease_ended(*this, why);
}

}  // namespace sallyport::ingress
