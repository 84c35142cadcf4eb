#include "http/replies.h"

#include "http/connection.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::http {
namespace {

constexpr std::uint64_t small_body = 1024 * 1024;

class Answered final : public http::ExchangeHandler {
 public:
  void on_body(http::Exchange& exchange, Bytes body) override {
    exchange.consume(body.size());
    if (!has_small_body(exchange.request())) exchange.stop_reading();
  }
  void on_end(http::Exchange&) override {}
  void on_closed(http::Exchange&, const Error*) override {}
};

}  // namespace

bool has_small_body(const http::Request& request) {
  const auto length = http::parse_content_length(request.fields.find("content-length").value_or(""));
  return length && *length <= small_body;
}

void decline_body(http::Exchange& exchange) {
  const auto& request = exchange.request();
  if (exchange.version() > http::Version::http1_1 || exchange.request_complete() || request.is_connect())
    return;
  if (!has_small_body(request)) exchange.stop_reading();
}

http::ExchangeHandler& answered() {
  static Answered handler;
  return handler;
}

void Replies::complete(const Incoming& in, http::Response& head) {
  if (!head.fields.contains("date"))
    head.fields.add("date", clock_.text(in.exchange.connection().timers().now()));
  // RFC 7838 §6: a 421 must not be taken for advice on where else to go.
  if (!in.alt_svc.empty() && head.status != 421 && !head.fields.contains("alt-svc"))
    head.fields.add("alt-svc", in.alt_svc);
}

void Replies::send(const Incoming& in, const http::Response& head, Chunk body) {
  auto& exchange = in.exchange;
  exchange.set_handler(&answered());
  count_head(in, head.status);
  if (body.empty() || exchange.request().method == "HEAD") {
    exchange.respond(head, true);
  } else {
    count_body(exchange.version(), body.size());
    exchange.respond(head);
    exchange.write(std::move(body));
    exchange.finish();
  }
  decline_body(exchange);
}

void Replies::sentence(const Incoming& in, http::Response head, std::string_view text) {
  auto body = Chunk::allocate(text.size() + 1);
  copy_bytes(as_bytes(text), body.mutable_bytes().data());
  body.mutable_bytes().back() = '\n';
  if (!head.fields.contains("content-type")) head.fields.add("content-type", "text/plain; charset=utf-8");
  head.fields.add("content-length", fmt::format_int(body.size()).c_str());
  complete(in, head);
  send(in, head, std::move(body));
}

void Replies::count_head(const Incoming& in, unsigned status) {
  ++counters_.by_class[ReplyCounters::index(in.exchange.version())][std::min(status / 100, 5u)];
}

}  // namespace sallyport::http
