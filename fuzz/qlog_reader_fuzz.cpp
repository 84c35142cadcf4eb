// A file that somebody hands to `sallyport trace summary`.
#include "base/escape.h"
#include "trace/json_text.h"
#include "trace/summary.h"

#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto summaries = trace::summarize_qlog(Bytes{data, size}, "input");
  if (!summaries) {
    if (summaries.error().message.find("input") == std::string::npos) std::abort();
    return 0;
  }
  const std::string json = trace::summaries_as_json(*summaries);
  if (!sallyport::is_utf8(json)) std::abort();
  const std::string table = trace::summaries_as_table(*summaries);
  if (sallyport::escaped_page(table) != table) std::abort();  // a terminal shows it
  return 0;
}
