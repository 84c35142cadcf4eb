// A file that somebody hands to `sallyport trace summary`.
#include "base/escape.h"
#include "inspect/summary.h"
#include "trace/json_text.h"

#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto summaries = inspect::summarize_qlog(Bytes{data, size}, "input");
  if (!summaries) {
    if (summaries.error().message.find("input") == std::string::npos) std::abort();
    return 0;
  }
  const std::string json = inspect::summaries_as_json(*summaries);
  if (!sallyport::is_utf8(json)) std::abort();
  const std::string table = inspect::summaries_as_table(*summaries);
  if (sallyport::escaped_page(table) != table) std::abort();  // a terminal shows it
  return 0;
}
