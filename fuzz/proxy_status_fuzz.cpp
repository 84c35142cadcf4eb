// A Proxy-Status value as a hostile hop may send it.
#include "base/bytes.h"
#include "masque/proxy_status.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto status = masque::parse_proxy_status(as_text({data, size}));
  if (!status) return 0;
  // Shown to a person: printable only.
  for (const auto* text : {&status->proxy, &status->error, &status->details, &status->next_hop})
    for (const char c : *text)
      if (c < 0x20 || c >= 0x7f) std::abort();
  const auto again = masque::parse_proxy_status(masque::format_proxy_status(
      status->proxy, {.status = 502, .type = "dns_error", .details = status->details}));
  if (!again || again->proxy != status->proxy || again->details != status->details) std::abort();
  return 0;
}
