#include "sim_gateway.h"

#include "content.h"
#include "identity.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace sallyport::sim {
namespace {

constexpr std::string_view bytes_path = "/bytes/", sink_path = "/sink";

masque::ProxyOptions proxy_options(masque::ProxyOptions options, const Host& host) {
  options.name = host.name();
  options.policy =
      masque::TargetPolicy({*net::IpPrefix::parse("203.0.113.0/24"), *net::IpPrefix::parse("2001:db8::/32")});
  return options;
}

quic::ServerOptions server_options(quic::ServerOptions options, const masque::ProxyOptions& proxy,
                                   const http::Limits& limits) {
  options.config.silence_timeout = limits.idle_timeout;
  options.config.idle_timeout = masque::quic_idle_timeout(proxy, options.config.idle_timeout);
  if (options.credentials == nullptr) options.credentials = server_credentials();
  return options;
}

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

SimGateway::SimGateway(Network& network, Host& host, Options options)
    : network_(network),
      host_(host),
      socket_(host.listen(port)),
      proxy_(network.timers(), host, proxy_options(options.proxy, host)),
      dispatcher_(replies_, nullptr, &proxy_, nullptr) {
  const quic::Environment environment{network.timers(), network.random()};
  endpoint_ = std::make_unique<quic::Endpoint>(
      environment, *socket_, server_options(std::move(options.quic), options.proxy, options.limits),
      [this, limits = options.limits](quic::Connection& quic) {
        auto connection = http::make_h3_server(quic, *this, this, limits);
        connections_.insert(connection.get());
        return connection;
      });
}

SimGateway::~SimGateway() {
  endpoint_.reset();
}

bool SimGateway::is_idle() const {
  const masque::ProxyCounters proxy = proxy_.counters();
  return connections_.empty() && endpoint_->stats().connections == 0 && endpoint_->stats().half_open == 0 &&
         answers_.empty() && proxy.udp_open == 0 && proxy.tcp_open == 0 && host_.open_sockets() == 1;
}

void SimGateway::answer_by(http::Exchange& exchange, std::unique_ptr<Answer> answer) {
  exchange.set_handler(answer.get());
  answers_.emplace(&exchange, std::move(answer));
}

void SimGateway::on_request(http::Exchange& exchange) {
  ++requests_;
  const http::Request& request = exchange.request();
  if (request.method == "GET" && request.path.starts_with(bytes_path)) {
    if (const auto size =
            http::parse_content_length(std::string_view(request.path).substr(bytes_path.size())))
      return answer_by(exchange, std::make_unique<Download>(*this, exchange, *size));
  }
  if (request.method == "POST" && request.path == sink_path)
    return answer_by(exchange, std::make_unique<Upload>(*this));
  dispatcher_.dispatch({exchange, {}});
}

void SimGateway::on_connection_closed(http::Connection& connection, const Error*) {
  connections_.erase(&connection);
}

}  // namespace sallyport::sim
