#include "admin/pages.h"

#include <utility>

#include <fmt/format.h>

namespace sallyport::admin {
namespace {

/// Fewer than the reserved descriptors: clients of this port must not exhaust the gateway's.
constexpr std::size_t most_connections = 32;

}  // namespace

/// A request for /metrics that waits for the workers. It may be gone before they answer.
class Pages::Scrape final : public http::ExchangeHandler {
 public:
  Scrape(Pages& admin, http::Exchange& exchange) : admin_(admin), exchange_(&exchange) {}
  void on_body(http::Exchange& exchange, Bytes body) override { exchange.consume(body.size()); }
  void on_end(http::Exchange&) override {}
  void on_closed(http::Exchange&, const Error*) override {
    exchange_ = nullptr;
    admin_.scrapes_.remove_if([this](const auto& scrape) { return scrape.get() == this; });
  }
  /// The last call on a scrape that is still awaited: the exchange gets another handler.
  void answer(const std::string& text) {
    if (exchange_ == nullptr) return;
    const http::Incoming in{*std::exchange(exchange_, nullptr), {}};
    if (text.empty()) {
      admin_.replies_.sentence(in, 503, "the workers did not answer in time");
    } else {
      http::Response head;
      head.fields.add("content-type", "text/plain; version=0.0.4; charset=utf-8");
      head.fields.add("content-length", fmt::format_int(text.size()).c_str());
      admin_.replies_.complete(in, head);
      admin_.replies_.send(in, head, Chunk::copy_of(as_bytes(text)));
    }
    admin_.scrapes_.remove_if([this](const auto& scrape) { return scrape.get() == this; });
  }

 private:
  Pages& admin_;
  http::Exchange* exchange_;
};

Pages::Pages(net::Timers& timers, Source& source, std::shared_ptr<const masque::TokenTable> tokens)
    : timers_(timers),
      source_(source),
      authenticator_(std::move(tokens), std::make_shared<masque::FailedAttempts>()) {}

Result<std::unique_ptr<Pages>> Pages::listen(net::Inbound& inbound, net::Timers& timers,
                                             const net::SocketAddress& local, Source& source,
                                             std::shared_ptr<const masque::TokenTable> tokens) {
  return make(timers, source, std::move(tokens), [&](Pages& admin, http::TcpFrontOptions options) {
    return http::TcpFront::listen(inbound, timers, local, admin, std::move(options));
  });
}

Result<std::unique_ptr<Pages>> Pages::listen_unix(net::Inbound& inbound, net::Timers& timers,
                                                  const std::string& path, Source& source,
                                                  std::shared_ptr<const masque::TokenTable> tokens) {
  return make(timers, source, std::move(tokens), [&](Pages& admin, http::TcpFrontOptions options) {
    return http::TcpFront::listen_unix(inbound, timers, path, admin, std::move(options));
  });
}

Result<std::unique_ptr<Pages>> Pages::make(net::Timers& timers, Source& source,
                                           std::shared_ptr<const masque::TokenTable> tokens,
                                           const auto& listen) {
  std::unique_ptr<Pages> admin(new Pages(timers, source, std::move(tokens)));
  auto front = listen(*admin, http::TcpFrontOptions{.most_connections = most_connections});
  if (!front) return std::unexpected(std::move(front.error()));
  admin->front_ = std::move(*front);
  return admin;
}

Pages::~Pages() = default;

void Pages::on_request(http::Exchange& exchange) {
  const http::Incoming in{exchange, {}};
  const auto& request = exchange.request();
  const std::string_view path = std::string_view(request.path).substr(0, request.path.find('?'));
  if (path != "/healthz" && path != "/readyz" && path != "/metrics")
    return replies_.sentence(in, 404, "not found; there are /healthz, /readyz and /metrics");
  if (request.method != "GET" && request.method != "HEAD") {
    http::Response head{.status = 405};
    head.fields.add("allow", "GET, HEAD");
    return replies_.sentence(in, std::move(head), "method not allowed; use GET or HEAD");
  }
  if (path == "/healthz") return replies_.sentence(in, 200, "alive");
  if (path == "/readyz")
    return source_.is_ready() ? replies_.sentence(in, 200, "ready") : replies_.sentence(in, 503, "not ready");

  auto reader = authenticator_.authenticate(exchange, masque::AskedAs::origin, timers_.now());
  if (!reader)
    return replies_.sentence(in, {.status = reader.error().status, .fields = reader.error().fields},
                             reader.error().details);
  auto scrape = std::make_shared<Scrape>(*this, exchange);
  exchange.set_handler(scrape.get());
  scrapes_.push_back(scrape);
  source_.make_metrics([waiting = std::weak_ptr(scrape)](const std::string& text) {
    if (const auto found = waiting.lock()) found->answer(text);
  });
}

}  // namespace sallyport::admin
