#include "admin/pages.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sallyport::admin {
namespace {

/// Fewer than the reserved descriptors: clients of this port must not exhaust the gateway's.
constexpr std::size_t most_connections = 32;

constexpr std::array<std::string_view, 5> pages{"/healthz", "/readyz", "/metrics", "/leases", "/leases.json"};
/// Of these, how many there are without leases.
constexpr std::size_t without_leases = 3;
/// Before the address of one.
constexpr std::string_view lease_prefix = "/leases/";

/// Whether `authority` is an address, or the name that no DNS server answers for (RFC 6761 §6.3). Any other
/// name may be that of a page whose server lets it lead to this machine (DNS rebinding).
bool is_own_name(std::string_view authority) {
  const bool in_brackets = authority.starts_with('[');
  const std::size_t end = in_brackets ? authority.find(']') : authority.find(':');
  const std::string_view host = authority.substr(0, end).substr(in_brackets ? 1 : 0);
  return host.empty() || host == "localhost" || net::IpAddress::parse(host);
}

}  // namespace

void Pages::Source::make_leases(bool /*json*/, std::function<void(std::string text)> done) {
  std::exchange(done, nullptr)({});
}
void Pages::Source::disconnect(const net::IpAddress& /*address*/,
                               std::function<void(std::optional<bool>)> done) {
  std::exchange(done, nullptr)(false);
}

/// A request that waits for the workers. It may be gone before they answer.
class Pages::Waiting final : public http::ExchangeHandler {
 public:
  Waiting(Pages& admin, http::Exchange& exchange) : admin_(admin), exchange_(&exchange) {}
  void on_body(http::Exchange& exchange, Bytes body) override { exchange.consume(body.size()); }
  void on_end(http::Exchange&) override {}
  void on_closed(http::Exchange&, const Error*) override {
    exchange_ = nullptr;
    forget();
  }
  /// The last call on one that is still awaited, as the following: the exchange gets another handler.
  void page(std::string_view content_type, const std::string& text) {
    if (exchange_ == nullptr) return;
    if (text.empty()) return sentence(503, "the workers did not answer in time");
    const http::Incoming in{*std::exchange(exchange_, nullptr), {}};
    http::Response head;
    head.fields.add("content-type", content_type);
    head.fields.add("content-length", fmt::format_int(text.size()).c_str());
    admin_.replies_.complete(in, head);
    admin_.replies_.send(in, head, Chunk::copy_of(as_bytes(text)));
    forget();
  }
  void sentence(unsigned status, std::string_view text) {
    if (exchange_ == nullptr) return;
    admin_.replies_.sentence({*std::exchange(exchange_, nullptr), {}}, status, text);
    forget();
  }

 private:
  void forget() {
    admin_.waiting_.remove_if([this](const auto& waiting) { return waiting.get() == this; });
  }

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
  auto made = make(timers, source, std::move(tokens), [&](Pages& admin, http::TcpFrontOptions options) {
    return http::TcpFront::listen_unix(inbound, timers, path, admin, std::move(options));
  });
  if (made) (*made)->on_unix_socket_ = true;
  return made;
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
  const auto refuse_method = [&](std::string_view allowed) {
    http::Response head{.status = 405};
    head.fields.add("allow", allowed);
    replies_.sentence(in, std::move(head), fmt::format("method not allowed; use {}", allowed));
  };
  const bool leases = source_.has_leases();
  if (leases && path.starts_with(lease_prefix))
    return request.method == "DELETE" ? answer_disconnect(in, path.substr(lease_prefix.size()))
                                      : refuse_method("DELETE");
  const auto known = std::span(pages).first(leases ? pages.size() : without_leases);
  if (std::ranges::find(known, path) == known.end())
    return replies_.sentence(in, 404, fmt::format("not found; there are {}", fmt::join(known, ", ")));
  if (request.method != "GET" && request.method != "HEAD") return refuse_method("GET, HEAD");
  answer_page(in, path);
}

void Pages::answer_page(const http::Incoming& in, std::string_view path) {
  if (path == "/healthz") return replies_.sentence(in, 200, "alive");
  if (path == "/readyz")
    return source_.is_ready() ? replies_.sentence(in, 200, "ready") : replies_.sentence(in, 503, "not ready");
  if (!authenticate(in)) return;
  const auto answer_as = [waiting = wait_for_workers(in.exchange)](std::string_view content_type) {
    return [waiting, content_type](const std::string& text) {
      if (const auto found = waiting.lock()) found->page(content_type, text);
    };
  };
  if (path == "/metrics") return source_.make_metrics(answer_as("text/plain; version=0.0.4; charset=utf-8"));
  const bool json = path == "/leases.json";
  source_.make_leases(json, answer_as(json ? "application/json" : "text/plain; charset=utf-8"));
}

void Pages::answer_disconnect(const http::Incoming& in, std::string_view text) {
  if (!authenticate(in)) return;
  const auto address = net::IpAddress::parse(text);
  if (!address)
    return replies_.sentence(in, 400,
                             "not an IP address; use DELETE /leases/ADDRESS, as GET /leases shows it");
  source_.disconnect(*address, [waiting = wait_for_workers(in.exchange)](std::optional<bool> was_there) {
    const auto found = waiting.lock();
    if (!found) return;
    if (!was_there) return found->sentence(503, "the workers did not answer in time");
    *was_there ? found->sentence(200, "disconnected") : found->sentence(404, "no tunnel has this address");
  });
}

bool Pages::authenticate(const http::Incoming& in) {
  if (authenticator_.tokens() == nullptr && !on_unix_socket_ &&
      !is_own_name(in.exchange.request().authority)) {
    replies_.sentence(
        in, 421,
        "the Host field is neither an address nor localhost; ask so, or give the pages tokens by "
        "--admin-token-file");
    return false;
  }
  const auto reader = authenticator_.authenticate(in.exchange, masque::AskedAs::origin, timers_.now());
  if (!reader)
    replies_.sentence(in, {.status = reader.error().status, .fields = reader.error().fields},
                      reader.error().details);
  return reader.has_value();
}

std::weak_ptr<Pages::Waiting> Pages::wait_for_workers(http::Exchange& exchange) {
  const auto waiting = std::make_shared<Waiting>(*this, exchange);
  exchange.set_handler(waiting.get());
  waiting_.push_back(waiting);
  return waiting;
}

}  // namespace sallyport::admin
