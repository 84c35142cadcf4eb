// What a file server reads of a request, chosen by the first byte: a path, a Range field, a date; and what a
// client reads of a response, a Content-Range.
#include "client/content_range.h"
#include "files/byte_ranges.h"
#include "files/request_path.h"
#include "http/http_date.h"

#include <cstdlib>

namespace {

using namespace sallyport;

constexpr std::uint64_t file_size = 1'000'000;

void require(bool condition) {
  if (!condition) std::abort();
}

void try_path(std::string_view text) {
  const auto path = files::parse_request_path(text);
  if (!path) return;
  // Nothing that was let through leads out of the folder, or ends a C string early.
  require(!path->relative.starts_with('/') && path->relative.find('\0') == std::string::npos);
  require(("/" + path->relative + "/").find("/../") == std::string::npos);
}

void try_range(std::string_view text) {
  const auto selection = files::select_ranges(text, file_size);
  if (selection.outcome != files::RangeSelection::Outcome::partial) return;
  require(!selection.ranges.empty() && selection.ranges.size() <= files::max_ranges);
  for (const files::ByteRange& range : selection.ranges)
    require(range.size != 0 && range.first < file_size && range.size <= file_size - range.first);
}

void try_date(std::string_view text) {
  constexpr std::int64_t now = 1'800'000'000;
  const auto date = http::parse_http_date(text, now);
  // What we read, we write, and read again as the same second.
  if (date && *date >= 0) require(http::parse_http_date(http::format_http_date(*date), now) == date);
}

void try_content_range(std::string_view text) {
  const auto range = client::parse_content_range(text);
  if (!range) return;
  require(range->range.begin < range->range.end && range->range.end <= client::largest_resource);
  // "*" says no size at all, which compares as less than any number.
  if (range->size) require(range->range.end <= *range->size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = as_text({data + 1, size - 1});
  switch (data[0] % 4) {
    case 0:
      try_path(text);
      break;
    case 1:
      try_range(text);
      break;
    case 2:
      try_date(text);
      break;
    default:
      try_content_range(text);
      break;
  }
  return 0;
}
