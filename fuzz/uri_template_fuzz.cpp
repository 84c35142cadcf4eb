// The first byte says what the rest is: a proxy's template or a request's path, of CONNECT-UDP or CONNECT-IP,
// or a CONNECT authority.
#include "base/bytes.h"
#include "masque/uri_template.h"

#include <cstdlib>

namespace {

using namespace sallyport;

void require(bool condition) {
  if (!condition) std::abort();
}

void try_template(std::string_view text) {
  const auto proxy = masque::ProxyTemplate::parse(text);
  if (!proxy) return;
  // What a template takes up must be a path, and carry no delimiter of its own into it.
  const masque::Target hostile{"a/b?c&d#e%f g:h", 443};
  const std::string path = proxy->expand(hostile);
  require(path.starts_with('/') && path.find(hostile.host) == std::string::npos);
  for (const char c : path) require(c > 0x20 && c < 0x7f);
  require(!proxy->authority().empty());
}

void try_path(std::string_view path) {
  const auto target = masque::match_udp_path(path);
  if (!target) return;
  require(target->port != 0 && !target->host.empty());
  // What one of ours read, one of ours can ask for.
  const auto proxy = masque::ProxyTemplate::parse("https://proxy.example");
  const auto again = masque::match_udp_path(proxy->expand(*target));
  require(again && *again == *target);
}

void try_ip_template(std::string_view text) {
  const auto proxy = masque::ProxyTemplate::parse(text, masque::Protocol::ip);
  if (!proxy) return;
  const masque::IpScope hostile{"a/b?c&d#e%f g:h", 6};
  const auto path = proxy->expand(hostile);
  if (!path) return;
  require(path->starts_with('/') && path->find(*hostile.hostname()) == std::string::npos);
  for (const char c : *path) require(c > 0x20 && c < 0x7f);
}

void try_ip_path(std::string_view path) {
  const auto scope = masque::match_ip_path(path);
  if (!scope) return;
  const auto proxy = masque::ProxyTemplate::parse("https://proxy.example", masque::Protocol::ip);
  const auto again = masque::match_ip_path(proxy->expand(*scope).value());
  require(again && *again == *scope);
}

void try_authority(std::string_view authority) {
  const auto target = masque::parse_authority(authority);
  if (!target) return;
  const auto again = masque::parse_authority(target->to_string());
  require(again && *again == *target);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = as_text({data + 1, size - 1});
  switch (data[0] % 5) {
    case '0' % 5:
      try_template(text);
      break;
    case '1' % 5:
      try_path(text);
      break;
    case '2' % 5:
      try_authority(text);
      break;
    case '3' % 5:
      try_ip_path(text);
      break;
    default:
      try_ip_template(text);
      break;
  }
  return 0;
}
