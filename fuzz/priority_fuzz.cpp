// The values of the Priority and Alt-Svc fields as a hostile peer may send them.
#include "base/bytes.h"
#include "http/alt_svc.h"
#include "http/priority.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const std::string_view text = as_text({data, size});
  if (const auto priority = http::parse_priority(text)) {
    if (priority->urgency > 7 || http::parse_priority(http::format_priority(*priority)) != priority)
      std::abort();
  }
  if (const auto services = http::parse_alt_svc(text)) {
    if (services->services.size() > 16) std::abort();
    for (const http::AltService& service : services->services)
      if (service.port == 0 || service.max_age < Duration::zero()) std::abort();
  }
  return 0;
}
