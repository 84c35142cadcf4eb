#include "ingress/upstream.h"

#include <algorithm>
#include <utility>

namespace sallyport::ingress {
namespace {

constexpr Duration first_back_off = 250ms, longest_back_off = 10s;

}  // namespace

Upstream::Upstream(dial::Context& context, config::Backend backend, UpstreamLimits limits)
    : context_(context),
      backend_(std::move(backend)),
      name_(backend_.to_string()),
      limits_(limits),
      dialer_(context),
      multiplexes_(backend_.protocol == config::BackendProtocol::h2c ||
                   backend_.protocol == config::BackendProtocol::h3),
      serve_(context.timers(), [this](Time now) { serve(now); }) {}

Upstream::~Upstream() {
  for (auto& lease : leases_) lease->dialled_->abandon();
}

dial::Security Upstream::security() const {
  using Layer = dial::Security::Layer;
  switch (backend_.protocol) {
    case config::BackendProtocol::http1:
      return {.layer = Layer::plain, .alpn = {"http/1.1"}};
    case config::BackendProtocol::h2c:
      return {.layer = Layer::plain, .alpn = {"h2"}};
    case config::BackendProtocol::https:
      return {.layer = Layer::tls};
    case config::BackendProtocol::h3:
      return {.layer = Layer::quic};
  }
  return {};
}

void Upstream::want(User& user) {
  if (waiting_.empty() && give(user)) return;
  if (waiting_.size() >= limits_.waiting)
    return user.on_no_connection({ErrorKind::resource, "too many requests wait for the backend"});
  waiting_.push_back(&user);
  dial();
}

void Upstream::cancel(User& user) {
  std::erase(waiting_, &user);
}

/// False: no connection is free.
bool Upstream::give(User& user) {
  while (!free_.empty()) {
    Lease& lease = *free_.back();
    if (!lease.can_take()) {
      lease.is_free_ = false;
      free_.pop_back();
      continue;
    }
    ++active_;
    ++lease.users_;
    ++lease.requests_;
    ++counters_.requests;
    user.on_connection(lease);
    return true;
  }
  return false;
}

/// Makes as many connections as those who wait need.
void Upstream::dial() {
  const std::size_t wanted = multiplexes_ ? std::min<std::size_t>(waiting_.size(), 1) : waiting_.size();
  while (dialling_ < wanted && leases_.size() < limits_.connections) {
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
  ++counters_.connections;
  multiplexes_ = lease.connection().info().version >= http::Version::http2;
  lease.is_free_ = true;
  free_.push_back(&lease);
  serve_.request();
}

void Upstream::on_lease_ended(Lease& lease, const Error* why) {
  std::erase(free_, &lease);
  lease.is_free_ = false;
  sweeps_ = true;
  serve_.request();  // where it is destroyed
  if (lease.ready_) return;
  --dialling_;
  connect_failed(why != nullptr ? *why : Error{ErrorKind::closed, "the backend closed the connection"});
}

void Upstream::connect_failed(const Error& why) {
  ++counters_.connect_failures;
  const Time now = context_.timers().now();
  down_until_ = now + std::min(first_back_off * (1u << std::min(failures_, 8u)), longest_back_off);
  ++failures_;
  // Each connection was for one of them, or for all.
  std::size_t count = multiplexes_ ? waiting_.size() : std::min<std::size_t>(waiting_.size(), 1);
  const Lifetime::Guard guard(lifetime_);
  for (; count > 0 && !guard.gone() && !waiting_.empty(); --count) {
    User& user = *waiting_.front();
    waiting_.pop_front();
    user.on_no_connection(why);
  }
}

/// At the end of a turn: connections that are over go, those who wait get the free ones.
void Upstream::serve(Time) {
  for (Lease* lease : std::exchange(released_, {}))
    if (!lease->is_free_ && lease->can_take()) {
      lease->is_free_ = true;
      free_.push_back(lease);
    }
  if (std::exchange(sweeps_, false))
    std::erase_if(leases_, [](const auto& lease) { return lease->ended_ && lease->users_ == 0; });
  const Lifetime::Guard guard(lifetime_);
  while (!waiting_.empty() && !free_.empty()) {
    User& user = *waiting_.front();
    waiting_.pop_front();
    const bool given = give(user);
    if (guard.gone()) return;
    if (!given) waiting_.push_front(&user);
  }
  dial();
}

void Upstream::Lease::release() {
  --users_;
  --upstream_.active_;
  upstream_.released_.push_back(this);
  upstream_.sweeps_ |= ended_;
  upstream_.serve_.request();
}

void Upstream::Lease::on_ready(dial::Dialled&) {
  ready_ = true;
  upstream_.on_lease_ready(*this);
}

void Upstream::Lease::on_ended(dial::Dialled&, const Error* why) {
  ended_ = true;
  upstream_.on_lease_ended(*this, why);
}

}  // namespace sallyport::ingress
