#include "client/request_sender.h"

#include <utility>

#include <fmt/format.h>

namespace sallyport::client {

RequestSender::RequestSender(net::Timers& timers, RequestOptions options, std::function<void()> go_on)
    : options_(std::move(options)), pace_(timers, options_.rate_limit, std::move(go_on)) {}

http::Exchange& RequestSender::send(http::Connection& connection, http::Request request,
                                    http::ExchangeHandler& handler, std::unique_ptr<BodySender>& content) {
  const auto& from = options_.plan.content;
  const bool has_body = from && from->size() != 0;
  http::Exchange& exchange = connection.request(std::move(request), handler, !has_body);
  if (options_.watcher != nullptr) options_.watcher->on_request(exchange);
  if (!has_body) return exchange;
  if (!from->size()) exchange.set_idle_timeout({});  // nobody knows when the next of it comes
  content = std::make_unique<BodySender>(from, &pace_, options_.loop);
  content->send(exchange);
  return exchange;
}

Result<> RequestSender::show(const http::Exchange& exchange, const http::Response& head) const {
  return options_.watcher != nullptr ? options_.watcher->on_head(exchange, head) : Result<>{};
}

bool RequestSender::takes(const http::Response& head) const {
  if (!is_whole_only()) return false;
  if (options_.accept == Accept::all || head.status / 100 == 2) return true;
  return options_.accept == Accept::not_redirects &&
         !(head.status / 100 == 3 && head.fields.contains("location"));
}

bool RequestSender::may_repeat(const Error& why) const {
  // What is not safe to repeat may be where it was not processed.
  return options_.plan.is_repeatable() ||
         (why.kind == ErrorKind::refused && options_.plan.is_content_repeatable());
}

Error status_error(const dial::Url& url, unsigned status, const std::string& location,
                   const std::string& authority) {
  std::string message = fmt::format("{} answered HTTP status {} for {}", url.host, status, url.to_string());
  if (status == 421 && !authority.empty())
    message += fmt::format(
        ": the server does not answer for {}, which -H names as the Host, on this connection", authority);
  else if (status == 421)
    message += fmt::format(
        ": the server does not answer for {} on this connection; its certificate may not have that name: "
        "ask by one that it has, which --resolve NAME:{}:ADDRESS leads to it",
        url.host, url.port);
  if (!location.empty())
    message +=
        fmt::format(", a redirect to {} (follow it with --location)", dial::without_credentials(location));
  return {ErrorKind::http, std::move(message), status};
}

}  // namespace sallyport::client
