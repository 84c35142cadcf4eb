// A --route as a person types it, and the authority and path of a request, by which a route is found.
#include "base/bytes.h"
#include "config/route_flag.h"
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
  if (auto route = config::parse_route(flag)) {
    require(route->path.starts_with('/') && !route->backends.empty());
    require(route->path == "/" || !route->path.ends_with('/'));
    // What it is called reads as the same.
    std::string again = route->name() + "=";
    for (const config::Backend& backend : route->backends) {
      require(!backend.host.empty() && backend.port != 0);
      again += (again.ends_with('=') ? "" : ",") + backend.to_string() + "#" + std::to_string(backend.weight);
    }
    const auto second = config::parse_route(again);
    require(second && second->name() == route->name() && second->backends == route->backends);
    if (route->name() != routes[0].name() && route->name() != routes[1].name()) {
      routes.push_back(*std::move(route));
      const ingress::RouteTable table(routes);
      // It takes the requests that it was made for.
      const bool is_v6 = routes[2].host.find(':') != std::string::npos;
      if (!routes[2].host.starts_with("*.") && !routes[2].host.empty() && routes[2].host.size() < 255)
        require(table.find(is_v6 ? "[" + routes[2].host + "]" : routes[2].host, routes[2].path) == 2);
    }
  }
  const ingress::RouteTable table(routes);
  if (const auto found = table.find(authority, path)) {
    require(*found < routes.size());
    const std::string& prefix = routes[*found].path;
    require(prefix == "/" || path.starts_with(prefix));
  }
  return 0;
}
