// A --route as a person types it, and the authority and path of a request, by which a route is found.
#include "base/bytes.h"
#include "config/route_flag.h"
#include "config/route_text.h"
#include "ingress/message_filters.h"
#include "ingress/route_table.h"

#include <cstdlib>

namespace {

using namespace sallyport;

void require(bool condition) {
  if (!condition) std::abort();
}

/// What stands before the next line break.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = as_text({data, size});
  const std::string_view flag = take_line(text), authority = take_line(text), path = text;
  std::vector<config::Route> routes{{.host = "a.test", .path = "/x/y", .backends = {}},
                                    {.host = "*.test", .path = "/", .backends = {}}};
  http::Request request;
  if (auto route = config::parse_route(flag)) {
    const bool is_prefix = route->path_match == config::PathMatch::prefix;
    require(route->path.starts_with('/'));
    require(!is_prefix || route->path == "/" || !route->path.ends_with('/'));
    require(!route->backends.empty() + route->redirect.has_value() + route->response.has_value() == 1);
    // What it is for reads as the same.
    std::string again = (route->host.empty() ? "*" : route->host) + route->path + "=";
    for (const config::Backend& backend : route->backends) {
      require(!backend.host.empty() && backend.port != 0);
      again += (again.ends_with('=') ? "" : ",") + backend.to_string() + "#" + std::to_string(backend.weight);
    }
    if (route->backends.empty()) again += "respond:404";
    again += config::condition_options(*route);
    const auto second = config::parse_route(again);
    require(second && second->name() == route->name() && second->backends == route->backends);
    require(second->conditions == route->conditions && second->path_match == route->path_match);
    if (route->conditions.empty() && route->name() != routes[0].name() && route->name() != routes[1].name()) {
      routes.push_back(*std::move(route));
      const ingress::RouteTable table(routes);
      // It takes the requests that it was made for.
      const bool is_v6 = routes[2].host.find(':') != std::string::npos;
      request.authority = is_v6 ? "[" + routes[2].host + "]" : routes[2].host;
      request.path = routes[2].path;
      if (!routes[2].host.starts_with("*.") && !routes[2].host.empty() && routes[2].host.size() < 255 &&
          routes[2].path_match != config::PathMatch::regex)
        require(table.find(request) == 2);
    } else {
      routes.push_back(*std::move(route));
    }
  }
  const ingress::RouteTable table(routes);
  request.authority = authority;
  request.path = path;
  if (const auto found = table.find(request)) {
    require(*found < routes.size());
    const config::Route& route = routes[*found];
    const std::string location =
        ingress::location_of(route.redirect.value_or(config::Redirect{}), route.path, request, false);
    require(location.empty() || location.starts_with("http"));
    const std::string target = ingress::rewritten(route.filters.path, route.path, request.path);
    require(request.path.empty() || !target.empty());
    if (route.path_match == config::PathMatch::prefix) require(route.path == "/" || !path.empty());
  }
  return 0;
}
