#include "files/byte_ranges.h"

#include <algorithm>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace sallyport::files {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Digits only; a number too large for 64 bits counts as the largest, which lies past every file's end all
/// the same.
std::optional<std::uint64_t> parse_position(std::string_view text) {
  if (text.empty()) return std::nullopt;
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    value = value > (most - digit) / 10 ? most : value * 10 + digit;
  }
  return value;
}

bool is_bytes_unit(std::string_view unit) {
  return std::ranges::equal(unit, std::string_view("bytes"), [](char a, char b) { return (a | 0x20) == b; });
}

/// Where ranges overlap, in order of position and joined; else as they were asked for.
std::vector<ByteRange> without_overlap(const std::vector<ByteRange>& ranges) {
  std::vector<ByteRange> sorted = ranges;
  std::ranges::sort(sorted, {}, &ByteRange::first);
  std::vector<ByteRange> joined;
  for (const auto& range : sorted) {
    if (!joined.empty() && range.first < joined.back().first + joined.back().size) {
      auto& last = joined.back();
      last.size = std::max(last.first + last.size, range.first + range.size) - last.first;
    } else {
      joined.push_back(range);
    }
  }
  return joined.size() == ranges.size() ? ranges : joined;
}

}  // namespace

RangeSelection select_ranges(std::string_view field, std::uint64_t size) {
  using Outcome = RangeSelection::Outcome;
  const auto equals = field.find('=');
  // An empty file has no valid Content-Range, so it is sent whole.
  if (size == 0 || equals == std::string_view::npos || !is_bytes_unit(trim(field.substr(0, equals))))
    return {};
  field.remove_prefix(equals + 1);

  RangeSelection out;
  std::size_t asked = 0;
  for (bool more = true; more;) {
    const auto comma = field.find(',');
    const auto spec = trim(field.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) field.remove_prefix(comma + 1);
    if (spec.empty()) continue;  // a list may have empty members (RFC 9110 §5.6.1.2)
    if (++asked > max_ranges) return {};

    const auto dash = spec.find('-');
    if (dash == std::string_view::npos) return {};
    const auto last = parse_position(spec.substr(dash + 1));
    if (dash == 0) {
      if (!last) return {};
      const auto count = std::min(*last, size);
      if (count > 0) out.ranges.push_back({size - count, count});
      continue;
    }
    const auto first = parse_position(spec.substr(0, dash));
    if (!first || (!last && dash + 1 != spec.size()) || (last && *last < *first)) return {};
    if (*first >= size) continue;
    out.ranges.push_back({*first, (last ? std::min(*last, size - 1) : size - 1) - *first + 1});
  }
  if (asked == 0) return {};
  out.outcome = out.ranges.empty() ? Outcome::unsatisfiable : Outcome::partial;
  out.ranges = without_overlap(std::move(out.ranges));
  return out;
}

std::string content_range(const ByteRange& range, std::uint64_t size) {
  return fmt::format("bytes {}-{}/{}", range.first, range.first + range.size - 1, size);
}

Multipart make_multipart(const std::vector<ByteRange>& ranges, std::uint64_t size, std::string_view part_type,
                         std::string_view boundary) {
  Multipart out;
  out.content_type = fmt::format("multipart/byteranges; boundary={}", boundary);
  for (const auto& range : ranges) {
    out.heads.push_back(fmt::format("{}--{}\r\ncontent-type: {}\r\ncontent-range: {}\r\n\r\n",
                                    out.heads.empty() ? "" : "\r\n", boundary, part_type,
                                    content_range(range, size)));
    out.length += out.heads.back().size() + range.size;
  }
  out.tail = fmt::format("\r\n--{}--\r\n", boundary);
  out.length += out.tail.size();
  return out;
}

}  // namespace sallyport::files
