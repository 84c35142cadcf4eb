#include "net/localhost.h"

#include <strings.h>

namespace sallyport::net {

std::vector<IpAddress> localhost_addresses(std::string_view name) {
  constexpr std::string_view localhost = "localhost";
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() < localhost.size()) return {};
  const std::string_view last = name.substr(name.size() - localhost.size());
  if (::strncasecmp(last.data(), localhost.data(), localhost.size()) != 0) return {};
  if (name.size() > last.size() && name[name.size() - last.size() - 1] != '.') return {};
  return {*IpAddress::parse("::1"), *IpAddress::parse("127.0.0.1")};
}

}  // namespace sallyport::net
