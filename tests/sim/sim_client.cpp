#include "sim_client.h"

#include "content.h"
#include "identity.h"
#include "sim_gateway.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr Duration shutdown_patience = 20s;

dial::ChainOptions chain_options(const SimClient::Options& from) {
  dial::ChainOptions options;
  options.http = from.http;
  options.hop_http = from.hop_http;
  options.mode = from.mode;
  if (!from.token.empty()) options.tokens = {from.token};
  options.hop_modes = from.hop_modes;
  for (const std::string& hop : from.hops) {
    const bool by_ip = options.mode_of(options.hops.size(), from.hops.size()) == dial::TunnelMode::ip;
    options.hops.push_back(*masque::ProxyTemplate::parse(
        "https://" + hop, by_ip ? masque::Protocol::ip : masque::Protocol::udp));
  }
  return options;
}

/// Where a download goes: nowhere, but its content is looked at.
class CheckingOutput final : public client::Output {
 public:
  explicit CheckingOutput(Transfer& of) : transfer(of) {}
  bool seekable() const override { return false; }
  bool gather_writes() const override { return false; }
  Result<> write_at(std::uint64_t offset, Bytes bytes) override {
    EXPECT_EQ(offset, check.bytes());
    check.take(bytes);
    transfer.bytes = check.bytes();
    return {};
  }
  Transfer& transfer;
  ContentCheck check;
};

}  // namespace

class SimClient::Work {
 public:
  virtual ~Work() = default;
  virtual void start(http::Connection& connection, const dial::Url& url) = 0;

  void end(Time now, std::optional<Error> error) {
    if (std::exchange(transfer.done, true)) return;
    transfer.ended = now;
    transfer.error = std::move(error);
  }
  Transfer transfer;
};

class SimClient::Download final : public Work {
 public:
  Download(std::uint64_t size, Duration stall_timeout) : size_(size), stall_timeout_(stall_timeout) {}

  void start(http::Connection& connection, const dial::Url& url) override {
    const client::FetchOptions options{.stall_timeout = stall_timeout_};
    fetch_.emplace(connection, url, output_, options, [this](Result<> result) {
      const client::FetchFigures& figures = fetch_->figures();
      transfer.first_byte = figures.first_byte;
      transfer.intact = result.has_value() && output_.check.intact() && output_.check.bytes() == size_;
      end(figures.ended, result ? std::nullopt : std::optional(result.error()));
    });
    fetch_->start();
  }

 private:
  const std::uint64_t size_;
  const Duration stall_timeout_;
  CheckingOutput output_{transfer};
  std::optional<client::Fetch> fetch_;
};

class SimClient::Upload final : public Work, private http::ExchangeHandler {
 public:
  Upload(Network& network, std::uint64_t size) : network_(network), size_(size) {}
  ~Upload() override {
    if (exchange_ == nullptr) return;
    exchange_->set_handler(nullptr);
    exchange_->reset(http::ResetCode::cancelled);
  }

  void start(http::Connection& connection, const dial::Url& url) override {
    http::Request request;
    request.method = "POST";
    request.authority = url.authority();
    request.path = url.target;
    exchange_ = &connection.request(std::move(request), *this, false);
    write();
  }

 private:
  void write() {
    while (sent_ < size_ && exchange_->queued_bytes() <= http::Exchange::high_water) {
      Chunk chunk = Chunk::allocate(std::min<std::uint64_t>(Chunk::pooled_size, size_ - sent_));
      fill_content(sent_, chunk.mutable_bytes());
      sent_ += chunk.size();
      exchange_->write(std::move(chunk));
    }
    if (sent_ == size_) exchange_->finish();
  }

  void on_writable(http::Exchange&) override { write(); }
  void on_response(http::Exchange&, const http::Response& head) override {
    transfer.first_byte = network_.now();
    if (const auto received = head.fields.find(SimGateway::received_field))
      transfer.bytes = http::parse_content_length(*received).value_or(0);
    transfer.intact = head.fields.find(SimGateway::intact_field) == "yes" && transfer.bytes == size_;
  }
  void on_body(http::Exchange& exchange, Bytes body) override { exchange.consume(body.size()); }
  void on_end(http::Exchange&) override {}
  void on_closed(http::Exchange&, const Error* why) override {
    exchange_ = nullptr;
    end(network_.now(), why != nullptr ? std::optional(*why) : std::nullopt);
  }

  Network& network_;
  const std::uint64_t size_;
  std::uint64_t sent_ = 0;
  http::Exchange* exchange_ = nullptr;
};

SimClient::SimClient(Network& network, Host& host, Options options)
    : network_(network),
      context_{.outbound = host,
               .quic = {network.timers(), network.random()},
               .config = options.config,
               .limits = options.limits,
               .trust = client_trust(),
               .sessions = options.sessions,
               .early_data = options.early_data,
               .connect_timeout = options.connect_timeout},
      stall_timeout_(options.stall_timeout),
      chain_(std::make_unique<dial::Chain>(context_, chain_options(options))) {
  chain_->set_broken_handler([this](const Error& why) { broken_ = why; });
}

SimClient::~SimClient() = default;

const Transfer& SimClient::begin(const std::string& origin, const std::string& path,
                                 std::unique_ptr<Work> owned) {
  Work& work = *owned;
  works_.push_back(std::move(owned));
  work.transfer.started = network_.now();
  const dial::Url url = *dial::parse_url("https://" + origin + path);
  chain_->open(url, [this, &work, url](Result<http::Connection*> connection) {
    if (!connection) return work.end(network_.now(), connection.error());
    work.start(**connection, url);
  });
  return work.transfer;
}

const Transfer& SimClient::download(const std::string& origin, std::uint64_t bytes) {
  return begin(origin, fmt::format("/bytes/{}", bytes), std::make_unique<Download>(bytes, stall_timeout_));
}

const Transfer& SimClient::upload(const std::string& origin, std::uint64_t bytes) {
  return begin(origin, "/sink", std::make_unique<Upload>(network_, bytes));
}

const Transfer& SimClient::download_path(const std::string& origin, const std::string& path) {
  return begin(origin, path, std::make_unique<Download>(0, stall_timeout_));
}

bool SimClient::done() const {
  return std::ranges::all_of(works_, [](const auto& work) { return work->transfer.done; });
}

void SimClient::shutdown() {
  chain_->shutdown(shutdown_patience, [this] { shut_ = true; });
}

}  // namespace sallyport::sim
