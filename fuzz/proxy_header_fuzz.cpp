// The first bytes of a connection from a trusted load balancer: a header is found in the same place however
// they come, with a client only where it says so, and never where they do not begin with one.
#include "net/proxy_header.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace sallyport;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes{data, size};
  const auto whole = net::parse_proxy_header(bytes);
  if (whole && *whole) {
    const net::ProxyHeader& header = **whole;
    require(header.size > 0 && header.size <= std::min(size, net::max_proxy_header));
    const std::string_view text = as_text(bytes.first(header.size));
    require(text.starts_with("PROXY ") ? text.ends_with("\r\n") && header.size <= 107
                                       : text.starts_with("\r\n\r\n"));
    if (text.starts_with("PROXY UNKNOWN")) require(!header.source);
    if (text.starts_with("PROXY TCP4")) require(header.source && header.source->ip().is_v4());
    if (text.starts_with("PROXY TCP6")) require(header.source && header.source->ip().is_v6());
    // No byte behind it matters, and none in it is too much.
    const auto alone = net::parse_proxy_header(bytes.first(header.size));
    require(alone && *alone && (*alone)->size == header.size && (*alone)->source == header.source);
    for (std::size_t cut = 0; cut < header.size; ++cut) {
      const auto part = net::parse_proxy_header(bytes.first(cut));
      require(part && !*part);
    }
  } else if (whole) {
    require(size < net::max_proxy_header);
  } else {
    require(whole.error().kind == ErrorKind::protocol && !whole.error().message.empty());
    // Once it is wrong it stays so, and until then it was not found to be complete.
    bool wrong = false;
    for (std::size_t cut = 0; cut <= std::min(size, net::max_proxy_header); ++cut) {
      const auto part = net::parse_proxy_header(bytes.first(cut));
      require(!wrong || !part);
      require(!part || !*part);
      wrong = !part;
    }
  }
  return 0;
}
