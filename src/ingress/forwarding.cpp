#include "ingress/forwarding.h"

#include "http/connection.h"
#include "http/validation.h"
#include "ingress/forwarded_message.h"
#include "ingress/upstream_fault.h"
#include "masque/proxy.h"
#include "masque/proxy_status.h"

#include <utility>

namespace sallyport::ingress {
namespace {

/// What one side may send before the other took it, about.
constexpr std::size_t held_of_a_body = 256 * 1024;
constexpr unsigned most_tries = 3;

/// Methods whose requests mostly end with their head: over HTTP/2 and /3 that end may come a little later.
bool is_mostly_bodiless(std::string_view method) {
  return http::is_safe(method) || method == "DELETE";
}

/// RFC 9110 §6.4.1.
bool is_bodiless(const http::Request& request, const http::Response& response) {
  return request.method == "HEAD" || response.status == 204 || response.status == 304;
}

}  // namespace

Forwarding::Forwarding(Owner& owner, const World& world, const http::Incoming& in,
                       std::shared_ptr<const RoutedTo> route)
    : owner_(owner),
      world_(world),
      alt_svc_(in.alt_svc),
      route_(std::move(route)),
      client_(&in.exchange),
      clear_(in.clear) {
  ++route_->counters->requests;
  ++route_->counters->open;
}

Forwarding::~Forwarding() {
  --route_->counters->open;
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
  client_->set_receive_limit(held_of_a_body);
  client_end_.attach(*client_);
  expects_continue_ = http::equal_ignoring_case(request.fields.find("expect").value_or(""), "100-continue");
  if (expects_continue_) client_->hold_continue();
  request_ended_ = client_->request_complete();
  const bool may_end_yet = client_->version() >= http::Version::http2 && is_mostly_bodiless(request.method) &&
                           request.fields.find("content-length").value_or("0") == "0";
  if (request_ended_ || !may_end_yet) begin();
}

void Forwarding::begin() {
  begun_ = true;
  find_backend();
}

std::shared_ptr<Upstream> Forwarding::pick() const {
  const Balancer& balancer = client_->request().is_connect() ? route_->for_websockets : route_->balancer;
  return balancer.pick(world_.context.quic.random, now(), tried_);
}

void Forwarding::find_backend() {
  upstream_ = pick();
  if (upstream_ == nullptr) return refuse({ErrorKind::unreachable, "no backend is left to be tried"}, false);
  ++tries_;
  tried_.push_back(upstream_.get());
  waits_ = true;
  upstream_->want(*this);
}

void Forwarding::on_connection(Upstream::Lease& lease) {
  waits_ = false;
  lease_ = &lease;
  was_idle_ = lease.was_idle();
  note_upstream({});
  const config::Backend& backend = upstream_->backend();
  const bool is_whole = request_ended_ && !has_body_;
  backend_ = &lease.connection().request(
      request_for_backend(*client_, config::is_secured(backend.protocol) ? "https" : "http",
                          masque::Target{backend.host, backend.port}.to_string(),
                          {world_.pseudonym, world_.context.quic.random, world_.client_certificate_chain}),
      *this, is_whole);
  backend_->set_receive_limit(held_of_a_body);
  backend_end_.attach(*backend_);
  if (is_whole) return;
  is_sent_once_ = true;
  request_.start();
}

void Forwarding::on_no_connection(const Error& why) {
  waits_ = false;
  if (tries_ >= most_tries || pick() == nullptr) return refuse(why, false);
  ++route_->counters->retries;
  find_backend();
}

void Forwarding::on_informational(http::Exchange&, const http::Response& head) {
  heard_ = true;
  if (client_ == nullptr || responded_ || (head.status == 100 && !expects_continue_)) return;
  client_->inform(response_for_client(head));
}

void Forwarding::on_response(http::Exchange&, const http::Response& head) {
  heard_ = true;
  if (client_ == nullptr) return;
  responded_ = true;
  http::Response made = response_for_client(head);
  world_.replies.complete(incoming(), made);
  world_.replies.count_head(incoming(), made.status);
  if (client_->request().is_connect() && made.status < 300) {
    idle_.emplace(world_.context.timers(), websocket_idle, [this] { on_idle(); });
    touch();
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
    if (!may_try_again(error, connection_is_gone)) return refuse(error, true);
    // Nothing is wrong with the backend.
    tried_.pop_back();
    ++route_->counters->retries;
    return find_backend();
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
bool Forwarding::may_try_again(const Error& why, bool connection_is_gone) const {
  if (is_sent_once_ || heard_ || tries_ >= most_tries) return false;
  return why.kind == ErrorKind::refused ||
         (was_idle_ && connection_is_gone && http::is_idempotent(client_->request().method));
}

void Forwarding::refuse(const Error& why, bool sent) {
  ++route_->counters->failures;
  note_upstream(why.message);
  const masque::Refusal refusal = refusal_for_backend(why, sent);
  request_.stop();
  response_.stop();
  client_end_.detach();
  http::Response head{.status = refusal.status, .fields = {}};
  head.fields.add("proxy-status", masque::format_proxy_status(masque::ProxyOptions{}.name,
                                                              {refusal.status, refusal.type, {}}));
  const http::Incoming in = incoming();
  client_ = nullptr;
  world_.replies.sentence(in, std::move(head), refusal.details);
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
