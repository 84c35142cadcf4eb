#include "ingress/forwarding.h"

#include "http/connection.h"
#include "http/validation.h"
#include "ingress/forwarded_message.h"
#include "ingress/message_filters.h"
#include "ingress/upstream_fault.h"
#include "masque/proxy.h"
#include "masque/proxy_status.h"

#include <algorithm>
#include <utility>

namespace sallyport::ingress {
namespace {

/// What one side may send before the other took it, about.
constexpr std::size_t held_of_a_body = 256 * 1024;
/// How long a client waits for 100 (Continue) of a backend that says none, as some do (RFC 9110 §10.1.1).
constexpr Duration continue_wait = 1s;
/// How long a WebSocket stays open whose backend has ended its side; some browsers never end theirs.
constexpr Duration half_open = 5s;
/// Requests of a route that may be sent again at the same time: so many, or this part of those that are open,
/// so that retries do not keep a backend down.
constexpr std::size_t least_retries = 3, retries_divisor = 5;

/// Methods whose requests mostly end with their head: over HTTP/2 and /3 that end may come a little later.
bool is_mostly_bodiless(std::string_view method) {
  return http::is_safe(method) || method == "DELETE";
}

/// RFC 9110 §6.4.1.
bool is_bodiless(const http::Request& request, const http::Response& response) {
  return request.method == "HEAD" || response.status == 204 || response.status == 304;
}

bool is_in(const std::vector<net::IpPrefix>& prefixes, const net::IpAddress& address) {
  return std::ranges::any_of(prefixes,
                             [&address](const net::IpPrefix& prefix) { return prefix.contains(address); });
}

}  // namespace

Forwarding::Forwarding(Owner& owner, const World& world, const http::Incoming& in,
                       std::shared_ptr<const RoutedTo> route)
    : owner_(owner),
      world_(world),
      alt_svc_(in.alt_svc),
      trusts_client_(is_in(world.trusted, in.exchange.connection().info().path.remote.ip())),
      request_id_(request_id(in.exchange.request(), trusts_client_, world.context.quic.random)),
      route_(std::move(route)),
      client_(&in.exchange),
      clear_(in.clear) {
  ++route_->counters->requests;
  ++route_->counters->open;
}

Forwarding::~Forwarding() {
  --route_->counters->open;
  if (is_retry_) --route_->counters->retrying;
  if (waits_) upstream_->cancel(*this);
  request_.stop();
  response_.stop();
  for (http::Exchange* exchange : {client_, backend_}) {
    if (exchange == nullptr) continue;
    exchange->set_handler(&http::answered());
    exchange->reset(http::ResetCode::cancelled);
  }
  if (lease_ != nullptr) lease_->release();
}

void Forwarding::start() {
  const http::Request& request = client_->request();
  client_->set_handler(this);
  client_->set_request_id(request_id_);
  client_->set_receive_limit(held_of_a_body);
  client_end_.attach(*client_);
  expects_continue_ = http::equal_ignoring_case(request.fields.find("expect").value_or(""), "100-continue");
  if (expects_continue_) client_->hold_continue();
  request_ended_ = client_->request_complete();
  hash_ = balancing_hash(*client_, route_->config.balancing);
  if (route_->config.patience.request != Duration::zero()) {
    deadline_ = now() + route_->config.patience.request;
    arm();
  }
  const bool may_end_yet = client_->version() >= http::Version::http2 && is_mostly_bodiless(request.method) &&
                           request.fields.find("content-length").value_or("0") == "0";
  if (request_ended_ || !may_end_yet) begin();
}

void Forwarding::begin() {
  begun_ = true;
  if (!find_backend()) refuse({ErrorKind::unreachable, "no backend is left to be tried"}, false);
}

std::shared_ptr<Upstream> Forwarding::pick() const {
  const Balancer& balancer = client_->request().is_connect() ? route_->for_websockets : route_->balancer;
  return balancer.pick({world_.context.quic.random, now(), hash_, tried_});
}

/// False: there is none that was not tried.
bool Forwarding::find_backend() {
  auto found = pick();
  if (found == nullptr) return false;
  upstream_ = std::move(found);
  if (++tries_ > 1) ++route_->counters->retries;
  tried_.push_back(upstream_.get());
  if (route_->config.patience.backend != Duration::zero()) {
    head_deadline_ = now() + route_->config.patience.backend;
    arm();
  }
  waits_ = true;
  upstream_->want(*this);
  return true;
}

void Forwarding::on_connection(Upstream::Lease& lease) {
  waits_ = false;
  lease_ = &lease;
  was_idle_ = lease.was_idle();
  note_upstream({});
  const bool is_whole = request_ended_ && !has_body_;
  backend_ = &lease.connection().request(make_request(), *this, is_whole);
  backend_->set_receive_limit(held_of_a_body);
  backend_->set_idle_timeout(route_->config.patience.silence);
  backend_end_.attach(*backend_);
  if (is_whole) return;
  is_sent_once_ = true;
  if (expects_continue_) {
    continue_deadline_ = now() + continue_wait;
    arm();
  }
  request_.start();
}

http::Request Forwarding::make_request() {
  const config::Backend& backend = upstream_->backend();
  const config::Filters& filters = route_->config.filters;
  http::Request made =
      request_for_backend(*client_, config::is_secured(backend.protocol) ? "https" : "http",
                          masque::Target{backend.host, backend.port}.to_string(),
                          {world_.pseudonym, request_id_, trusts_client_, world_.client_certificate_chain});
  if (filters.path.kind != config::PathRewrite::Kind::none)
    made.path = rewritten(filters.path, route_->config.path, made.path);
  if (!filters.host.empty()) made.authority = filters.host;
  if (!filters.request.empty()) apply(filters.request, made.fields);
  return made;
}

void Forwarding::on_no_connection(const Error& why) {
  waits_ = false;
  if (tries_ > route_->config.patience.retries || !find_backend()) refuse(why, false);
}

void Forwarding::on_informational(http::Exchange&, const http::Response& head) {
  heard_ = true;
  if (client_ == nullptr || responded_ || (head.status == 100 && !expects_continue_)) return;
  client_->inform(response_for_client(head));
}

void Forwarding::on_response(http::Exchange&, const http::Response& head) {
  heard_ = true;
  if (client_ == nullptr || tries_again_) return;
  upstream_->note_response(head.status, now());
  if (may_retry(head.status)) {
    tries_again_ = true;
    return backend_->reset(http::ResetCode::cancelled,
                           {ErrorKind::refused, "its response is one that the route tries again"});
  }
  responded_ = true;
  head_deadline_ = never;
  http::Response made = response_for_client(head);
  if (!route_->config.filters.response.empty()) apply(route_->config.filters.response, made.fields);
  world_.replies.complete(incoming(), made);
  world_.replies.count_head(incoming(), made.status);
  if (client_->request().is_connect() && made.status < 300) {
    idle_.emplace(world_.context.timers(), websocket_idle, [this] { on_idle(); });
    touch();
    timer_.reset();
    backend_->set_idle_timeout(Duration::zero());
  } else if (is_bodiless(client_->request(), made) || backend_->response_complete()) {
    response_.stop();
    return client_->respond(made, true);
  }
  client_->respond(made);
  response_.start();
}

void Forwarding::on_body(http::Exchange& exchange, Bytes body) {
  touch();
  if (!exchange.is_server()) {
    if (client_ != nullptr) world_.replies.count_body(client_->version(), body.size());
    return response_.take(body);
  }
  has_body_ = true;
  request_.take(body);
  if (!begun_) begin();
}

void Forwarding::on_trailers(http::Exchange& exchange, const http::Fields& trailers) {
  (exchange.is_server() ? backend_end_ : client_end_).set_trailers(trailers_to_forward(trailers));
  if (exchange.is_server()) has_body_ = true;
}

void Forwarding::on_end(http::Exchange& exchange) {
  if (!exchange.is_server()) {
    response_ended_ = true;
    if (idle_) {
      deadline_ = now() + half_open;
      arm();
    }
    return response_.end();
  }
  request_ended_ = true;
  if (!begun_) begin();
  request_.end();
}

void Forwarding::on_writable(http::Exchange& exchange) {
  (exchange.is_server() ? response_ : request_).resume();
}

void Forwarding::touch() {
  if (idle_) idle_->touch();
}

void Forwarding::on_idle() {
  const Error why{ErrorKind::timeout, "nothing came through the WebSocket for too long"};
  if (client_ != nullptr) client_->reset(http::ResetCode::cancelled, why);
  if (backend_ != nullptr) backend_->reset(http::ResetCode::cancelled, why);
}

void Forwarding::on_closed(http::Exchange& exchange, const Error* why) {
  if (exchange.is_server())
    client_closed(why);
  else
    backend_closed(why);
  check_over();
}

void Forwarding::client_closed(const Error* why) {
  client_end_.detach();
  client_ = nullptr;
  response_.stop();
  if (std::exchange(waits_, false)) upstream_->cancel(*this);
  // Without an error, too: it has its response, and what it owes of its request will not come.
  if (backend_ != nullptr && (why != nullptr || !request_ended_))
    backend_->reset(http::ResetCode::cancelled, {ErrorKind::cancelled, "the client gave the request up"});
}

void Forwarding::backend_closed(const Error* why) {
  backend_end_.detach();
  backend_ = nullptr;
  const bool connection_is_gone = lease_->is_gone();
  std::exchange(lease_, nullptr)->release();
  if (client_ == nullptr) return request_.stop();
  if (!responded_) {
    const Error error =
        why != nullptr ? *why : Error{ErrorKind::closed, "the backend ended the request without a response"};
    if (std::exchange(tries_again_, false)) {
      // Another backend first, and the same where there is no other.
      heard_ = false;
      if (find_backend()) return;
      tried_.clear();
    } else if (may_try_again(error, connection_is_gone)) {
      tried_.pop_back();  // nothing is wrong with the backend
    } else {
      // Who does not send the whole request may be the cause himself.
      const bool is_backends = error.kind == ErrorKind::timeout || error.kind == ErrorKind::protocol ||
                               error.kind == ErrorKind::closed;
      if (request_ended_ && is_backends) upstream_->note_failure(now());
      return refuse(error, true);
    }
    if (!find_backend()) refuse(error, true);
    return;
  }
  if (why != nullptr && !response_ended_) {
    ++route_->counters->cut;
    note_upstream(why->message);
    response_.abort(*why);
  } else if (!request_ended_ && !http::has_small_body(client_->request())) {
    client_->stop_reading();
  }
  request_.stop();
}

/// RFC 9110 §9.2.2: nothing of it was processed, or it does no harm twice and was most likely not even seen.
bool Forwarding::may_try_again(const Error& why, bool connection_is_gone) {
  if (is_sent_once_ || heard_ || timed_out_ || tries_ > route_->config.patience.retries) return false;
  return why.kind == ErrorKind::refused ||
         (why.kind != ErrorKind::timeout && was_idle_ && connection_is_gone &&
          http::is_idempotent(client_->request().method));
}

/// For methods that do no harm twice.
bool Forwarding::may_retry(unsigned status) {
  const config::Patience& patience = route_->config.patience;
  return std::ranges::binary_search(patience.retry_status, status) && !is_sent_once_ &&
         tries_ <= patience.retries && http::is_idempotent(client_->request().method) && claim_retry();
}

/// Takes its part of the route's budget, until the end. False: others have all of it.
bool Forwarding::claim_retry() {
  RouteCounters& counters = *route_->counters;
  if (is_retry_) return true;
  if (counters.retrying >= std::max(least_retries, counters.open / retries_divisor)) return false;
  is_retry_ = true;
  ++counters.retrying;
  return true;
}

void Forwarding::arm() {
  const Time next = next_deadline();
  if (next == never) return;
  if (!timer_) timer_.emplace(world_.context.timers(), [this](Time now) { on_deadline(now); });
  timer_->arm(next);
}

void Forwarding::on_deadline(Time now) {
  if (client_ == nullptr) return;
  if (now >= continue_deadline_) {
    continue_deadline_ = never;
    if (!heard_ && !has_body_ && std::exchange(expects_continue_, false)) client_->inform({.status = 100});
  }
  if (now < next_deadline()) return arm();
  const bool is_over = now >= deadline_;
  const Error why{ErrorKind::timeout, is_over
                                          ? "the timeout of the route passed before the response was complete"
                                          : "the backend did not respond within the route's backend-timeout"};
  head_deadline_ = never;
  timed_out_ = true;
  if (is_over) deadline_ = never;
  if (backend_ != nullptr) {
    backend_->reset(http::ResetCode::cancelled, why);
  } else if (responded_) {
    client_->reset(http::ResetCode::internal_error, why);
  } else {
    if (std::exchange(waits_, false)) {
      upstream_->cancel(*this);
      timed_out_ = is_over;
      if (!is_over) {
        upstream_->note_failure(now);
        if (tries_ <= route_->config.patience.retries && find_backend()) return;
      }
    }
    refuse(why, false);
  }
}

void Forwarding::refuse(const Error& why, bool sent) {
  ++route_->counters->failures;
  note_upstream(why.message);
  const masque::Refusal refusal = refusal_for_backend(why, sent);
  request_.stop();
  response_.stop();
  client_end_.detach();
  const http::Incoming in = incoming();
  client_ = nullptr;
  world_.replies.sentence(
      in, masque::refusal_head(masque::ProxyOptions{}.name, {refusal.status, refusal.type, {}}),
      refusal.details);
  check_over();
}

void Forwarding::note_upstream(std::string_view error) {
  client_->set_upstream(route_->name, upstream_ ? std::string_view(upstream_->name()) : std::string_view(),
                        error);
}

void Forwarding::check_over() {
  if (client_ == nullptr && backend_ == nullptr && !std::exchange(over_, true)) owner_.on_over(*this);
}

}  // namespace sallyport::ingress
