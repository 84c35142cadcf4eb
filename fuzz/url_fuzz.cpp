// A URL as a person types it, or as a server's Location field has it.
#include "base/bytes.h"
#include "client/url.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto require = [](bool condition) {
    if (!condition) std::abort();
  };
  const auto url = client::parse_url(as_text({data, size}));
  if (!url) return 0;
  require(!url->host.empty() && url->port != 0);
  // What goes on the wire is one word.
  require(url->target.starts_with('/'));
  for (const std::string& text : {url->target, url->authority()})
    for (const char c : text) require(c > 0x20 && c < 0x7f && c != '#');
  // A file name stays in its folder.
  const std::string name = url->file_name();
  require(!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
          name.find('\0') == std::string::npos);
  const auto again = client::parse_url(url->to_string());
  require(again && again->origin() == url->origin() && again->target == url->target);
  return 0;
}
