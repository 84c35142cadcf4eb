#include "client/content_range.h"

#include "http/message.h"
#include "http/validation.h"

namespace sallyport::client {

std::optional<ContentRange> parse_content_range(std::string_view value) {
  constexpr std::string_view unit = "bytes ";
  if (!http::equal_ignoring_case(value.substr(0, unit.size()), unit)) return std::nullopt;
  value.remove_prefix(unit.size());
  const std::size_t dash = value.find('-'), slash = value.find('/');
  if (dash == value.npos || slash == value.npos || dash > slash) return std::nullopt;
  // A content length is digits alone, as these three numbers are.
  const auto first = http::parse_content_length(value.substr(0, dash));
  const auto last = http::parse_content_length(value.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *first > *last || *last >= largest_resource) return std::nullopt;
  const ByteRange range{*first, *last + 1};
  if (value.substr(slash + 1) == "*") return ContentRange{range, std::nullopt};
  const auto size = http::parse_content_length(value.substr(slash + 1));
  if (!size || *last >= *size || *size > largest_resource) return std::nullopt;
  return ContentRange{range, size};
}

}  // namespace sallyport::client
