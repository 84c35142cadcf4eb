// A URL as a person types it, or as a server's Location field has it.
#include "base/bytes.h"
#include "dial/url.h"

#include <cstdlib>

namespace {

using namespace sallyport;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Result<dial::Url>& url) {
  if (!url) return;
  require(!url->host.empty() && url->port != 0);
  // What goes on the wire is one word, in the characters of RFC 3986.
  require(url->target.starts_with('/'));
  for (const std::string& text : {url->target, url->authority()})
    for (const char c : text)
      require(c > 0x20 && c < 0x7f && std::string_view("#\"<>\\^`{|}").find(c) == std::string::npos);
  require(url->authority().find('%') == std::string::npos);
  require(url->target.substr(0, url->target.find('?')).find("/../") == std::string::npos);
  // A file name stays in its folder.
  const std::string name = url->file_name();
  require(!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
          name.find('\0') == std::string::npos);
  const auto again = dial::parse_url(url->to_string());
  require(again && again->origin() == url->origin() && again->target == url->target);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  check(dial::parse_url(text));
  check(dial::resolve_reference({.host = "h", .port = 8443, .target = "/a/b?c/d"}, text));
  return 0;
}
