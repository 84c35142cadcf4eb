#include "admin/service.h"

#include "base/log.h"
#include "base/of_flag.h"
#include "net/listen_address.h"

#include <utility>

#include <fmt/format.h>

namespace sallyport::admin {

Result<> check_access(const ServiceOptions& options) {
  if (!options.is_wanted() && !options.token_file.empty())
    return fail(ErrorKind::usage, "--admin-token-file protects the pages of --admin, which is not given");
  if (!options.address || options.address->ip().is_loopback() || !options.token_file.empty()) return {};
  return fail(
      ErrorKind::usage,
      fmt::format("--admin {}, which other machines reach, would show its pages to everybody; give "
                  "--admin-token-file FILE with a line NAME TOKEN for each reader, or a loopback address, or "
                  "--admin unix:PATH",
                  options.address->to_string()));
}

Result<std::unique_ptr<Service>> Service::open(ServiceOptions options) {
  if (auto done = check_access(options); !done) return std::unexpected(std::move(done.error()));
  std::unique_ptr<Service> service(new Service(std::move(options)));
  if (const std::string& path = service->options_.token_file; !path.empty()) {
    auto file = TokenFile::open("--admin-token-file", path);
    if (!file) return std::unexpected(std::move(file.error()));
    service->tokens_ = std::move(*file);
  }
  return service;
}

Result<> Service::listen(net::Inbound& inbound, net::Timers& timers, Pages::Source& source) {
  auto tokens = tokens_ ? tokens_->tokens() : nullptr;
  if (!options_.socket.empty()) {
    auto pages = Pages::listen_unix(inbound, timers, options_.socket, source, std::move(tokens));
    if (!pages) return of_flag("--admin unix", pages.error());
    pages_ = std::move(*pages);
  } else if (options_.address) {
    auto pages = Pages::listen(inbound, timers, *options_.address, source, std::move(tokens));
    if (!pages) return std::unexpected(net::explain_bind("--admin", *options_.address, "TCP", pages.error()));
    pages_ = std::move(*pages);
    options_.address = pages_->local();
  }
  return {};
}

void Service::announce() const {
  if (!pages_) return;
  if (!options_.address) return log_info("admin pages on unix:{}", options_.socket);
  if (!options_.address->ip().is_loopback())
    log_warn(
        "--admin {} is not encrypted: anyone on the network path can read its tokens; put TLS in front of it",
        options_.address->to_string());
  log_info("admin pages on http://{}/metrics", options_.address->to_string());
}

void Service::reload(std::string_view why, Time now) {
  if (!tokens_ || !tokens_->reload(why, now)) return;
  if (pages_) pages_->set_tokens(tokens_->tokens());
}

void Service::look(Time now) {
  if (tokens_ && tokens_->has_changed()) reload("", now);
}

void Service::collect(MetricSet& out) const {
  if (!tokens_ || !pages_) return;
  tokens_->collect(out);
  constexpr std::string_view refused = "Requests for pages that need a token refused: authentication failed.";
  const auto& counters = pages_->refused();
  out.counter("admin_refused_total", refused, static_cast<double>(counters.no_token),
              {{"reason", "no_token"}});
  out.counter("admin_refused_total", refused, static_cast<double>(counters.wrong_token),
              {{"reason", "wrong_token"}});
  out.counter("admin_refused_total", refused, static_cast<double>(counters.throttled),
              {{"reason", "throttled"}});
}

}  // namespace sallyport::admin
