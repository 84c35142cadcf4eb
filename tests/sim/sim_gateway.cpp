#include "sim_gateway.h"

#include "content.h"
#include "identity.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr std::string_view bytes_path = "/bytes/", sink_path = "/sink";

}  // namespace

class SimGateway::Answer : public http::ExchangeHandler {
 public:
  explicit Answer(SimGateway& gateway) : gateway_(gateway) {}
  virtual ~Answer() = default;
  void on_closed(http::Exchange& exchange, const Error*) final { gateway_.answers_.erase(&exchange); }

 private:
  SimGateway& gateway_;
};

/// Keeps the exchange's queue filled, no further than it should be.
class SimGateway::Download final : public Answer {
 public:
  Download(SimGateway& gateway, http::Exchange& exchange, std::uint64_t size) : Answer(gateway), size_(size) {
    http::Response head;
    head.fields.add("content-length", std::to_string(size));
    exchange.respond(head, size == 0);
    write(exchange);
  }
  void on_body(http::Exchange& exchange, Bytes body) override { exchange.consume(body.size()); }
  void on_end(http::Exchange&) override {}
  void on_writable(http::Exchange& exchange) override { write(exchange); }

 private:
  void write(http::Exchange& exchange) {
    while (sent_ < size_ && exchange.can_write() && exchange.queued_bytes() <= http::Exchange::high_water) {
      Chunk chunk = Chunk::allocate(std::min<std::uint64_t>(Chunk::pooled_size, size_ - sent_));
      fill_content(sent_, chunk.mutable_bytes());
      sent_ += chunk.size();
      exchange.write(std::move(chunk));
      if (sent_ == size_) exchange.finish();
    }
  }

  std::uint64_t size_, sent_ = 0;
};

class SimGateway::Upload final : public Answer {
 public:
  using Answer::Answer;
  void on_body(http::Exchange& exchange, Bytes body) override {
    check_.take(body);
    exchange.consume(body.size());
  }
  void on_end(http::Exchange& exchange) override {
    http::Response head;
    head.fields.add(received_field, std::to_string(check_.bytes()));
    head.fields.add(intact_field, check_.intact() ? "yes" : "no");
    exchange.respond(head, true);
  }

 private:
  ContentCheck check_;
};

SimGateway::Options::Options() {
  masque = config::Masque{.protocols = {masque::Protocol::udp, masque::Protocol::tcp}};
  masque->allow = {*net::IpPrefix::parse("203.0.113.0/24"), *net::IpPrefix::parse("2001:db8::/32")};
  masque->open = true;
  limits.idle_timeout = 30s;
}

SimGateway::SimGateway(Network& network, Host& host, Options options)
    : network_(network), host_(host), notes_due_(network.timers(), [this](Time now) { tell_notes(now); }) {
  setup_->workers = options.workers;
  if (!options.ip.pool.empty()) {
    options.masque->protocols.insert(masque::Protocol::ip);
    open_ip(options);
  }
  if (options.workers > 1) setup_->strays = std::make_shared<gateway::StrayExchange>(options.workers);
  for (unsigned i = 0; i < options.workers; ++i) {
    workers_.push_back(std::make_unique<gateway::Worker>(
        host, host, network.timers(), setup_, i,
        gateway::WorkerExtras{.random = network.random(),
                              .packets = options.ip_ports.empty() ? router_.get() : options.ip_ports.at(i),
                              .content = this}));
    gateway::Worker* const worker = workers_.back().get();
    const auto wake_by = [&](std::function<void(Time)> work) {
      wakes_.push_back(std::make_unique<net::Deferred>(network.timers(), std::move(work)));
      return [wake = wakes_.back().get()] { wake->request(); };
    };
    if (setup_->strays) setup_->strays->set_wake(i, wake_by([worker](Time) { worker->receive_strays(); }));
    if (setup_->ip) setup_->ip->packets().set_wake(i, wake_by([worker](Time) { worker->receive_packets(); }));
  }
  if (options.listeners.empty())
    options.listeners.push_back(
        {.id = "main",
         .address = {host.address(), port},
         .credentials = options.credentials ? options.credentials : server_credentials()});
  const auto applied = apply(std::make_shared<const config::Configuration>(std::move(options)));
  EXPECT_TRUE(applied) << applied.error().message;
}

SimGateway::~SimGateway() {
  workers_.clear();
}

void SimGateway::open_ip(const Options& options) {
  auto ip = gateway::IpService::without_device(options.ip, options.workers);
  EXPECT_TRUE(ip) << ip.error().message;
  setup_->ip = std::move(*ip);
  if (options.ip_ports.empty()) router_ = std::make_unique<PacketRouter>(network_, host_);
  // Between threads it takes a while. What is told to one of them comes in order.
  last_note_.resize(options.workers);
  setup_->ip->set_tell([this](unsigned from, const net::IpPrefix& prefix, bool here) {
    constexpr Duration longest = 2ms;
    for (unsigned to = 0; to < setup_->workers; ++to) {
      if (to == from) continue;
      last_note_[to] = std::max(last_note_[to], network_.now() + network_.dice().span(longest));
      notes_.emplace(last_note_[to], Note{to, from, prefix, here});
    }
    if (!notes_.empty()) notes_due_.arm(notes_.begin()->first);
  });
}

void SimGateway::tell_notes(Time now) {
  while (!notes_.empty() && notes_.begin()->first <= now) {
    const Note note = notes_.extract(notes_.begin()).mapped();
    workers_[note.to]->note_prefix(note.prefix, note.from, note.here);
  }
  if (!notes_.empty()) notes_due_.arm(notes_.begin()->first);
}

Result<> SimGateway::apply(std::shared_ptr<const config::Configuration> next) {
  for (const auto& worker : workers_)
    if (auto done = worker->apply(next); !done) return done;
  configuration_ = std::move(next);
  return {};
}

void SimGateway::drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  undrained_ = workers_.size();
  for (const auto& worker : workers_)
    worker->drain([this] {
      if (--undrained_ == 0) drained_();
    });
}

masque::ProxyCounters SimGateway::proxy() const {
  masque::ProxyCounters all;
  for (const auto& worker : workers_) {
    if (worker->proxy() == nullptr) continue;
    const masque::ProxyCounters one = worker->proxy()->counters();
    for (const auto protocol : masque::all_protocols) {
      all.tunnels[protocol] += one.tunnels[protocol];
      all.open[protocol] += one.open[protocol];
    }
    all.refused_policy += one.refused_policy;
    all.bytes_up += one.bytes_up;
    all.bytes_down += one.bytes_down;
    all.dropped_early += one.dropped_early;
    all.dropped_queue += one.dropped_queue;
    all.dropped_sojourn += one.dropped_sojourn;
  }
  return all;
}

quic::EndpointStats SimGateway::endpoint_stats() const {
  quic::EndpointStats all;
  for (const auto& worker : workers_)
    for (const auto& listener : worker->listeners()) {
      const quic::EndpointStats one = listener->quic()->endpoint().stats();
      all.accepted += one.accepted;
      all.connections += one.connections;
      all.half_open += one.half_open;
      all.retries_sent += one.retries_sent;
      all.handshakes_completed += one.handshakes_completed;
    }
  return all;
}

std::uint64_t SimGateway::requests() const {
  std::uint64_t all = 0;
  for (const auto& worker : workers_)
    for (const std::uint64_t of_version : worker->requests().requests) all += of_version;
  return all;
}

std::size_t SimGateway::open_connections() const {
  std::size_t all = 0;
  for (const auto& worker : workers_)
    for (const auto& listener : worker->listeners()) {
      all += listener->quic()->open();
      for (const auto& tcp : listener->tcp()) all += tcp->sessions();
    }
  return all;
}

bool SimGateway::is_idle() const {
  const masque::ProxyCounters tunnels = proxy();
  const quic::EndpointStats quic = endpoint_stats();
  std::size_t listening = 0;
  for (const auto& worker : workers_) listening += worker->listeners().size();
  return open_connections() == 0 && quic.connections == 0 && quic.half_open == 0 && answers_.empty() &&
         tunnels.open[masque::Protocol::udp] == 0 && tunnels.open[masque::Protocol::tcp] == 0 &&
         tunnels.open[masque::Protocol::ip] == 0 &&
         host_.open_sockets() == listening + (router_ ? router_->flows() : 0) &&
         host_.open_connections() == 0;
}

void SimGateway::answer_by(http::Exchange& exchange, SimGateway& gateway, std::unique_ptr<Answer> answer) {
  exchange.set_handler(answer.get());
  gateway.answers_.emplace(&exchange, std::move(answer));
}

void SimGateway::serve(const http::Incoming& in) {
  const http::Request& request = in.exchange.request();
  if (request.method == "GET" && request.path.starts_with(bytes_path)) {
    if (const auto size =
            http::parse_content_length(std::string_view(request.path).substr(bytes_path.size())))
      return answer_by(in.exchange, *this, std::make_unique<Download>(*this, in.exchange, *size));
  }
  if (request.method == "POST" && request.path == sink_path)
    return answer_by(in.exchange, *this, std::make_unique<Upload>(*this));
  replies_.sentence(in, 404, "not found: there are /bytes/N and /sink");
}

}  // namespace sallyport::sim
