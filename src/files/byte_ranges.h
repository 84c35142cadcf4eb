// Byte ranges (RFC 9110 §14): parses the Range field, and makes multipart/byteranges bodies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::files {

struct ByteRange {
  std::uint64_t first = 0, size = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct RangeSelection {
  enum class Outcome : std::uint8_t {
    whole,          ///< invalid, or too many ranges: the field is ignored, 200
    partial,        ///< 206
    unsatisfiable,  ///< 416
  };
  Outcome outcome = Outcome::whole;
  std::vector<ByteRange> ranges;  ///< partial: one or more, none overlapping
};

/// With more ranges than this, or a longer field than they need, the whole file is sent (RFC 9110 §14.2).
inline constexpr std::size_t max_ranges = 16;

/// `field`: the value of Range; `size`: the file's size in bytes.
RangeSelection select_ranges(std::string_view field, std::uint64_t size);

/// "bytes 0-99/1234"
std::string content_range(const ByteRange& range, std::uint64_t size);

/// The multipart/byteranges body (RFC 9110 §14.6) around the parts' own bytes.
struct Multipart {
  std::string content_type;        ///< with the boundary
  std::vector<std::string> heads;  ///< one before each range
  std::string tail;
  std::uint64_t length = 0;  ///< of the whole body
};
/// `boundary` must not occur in the file: make it of random digits.
Multipart make_multipart(const std::vector<ByteRange>& ranges, std::uint64_t size, std::string_view part_type,
                         std::string_view boundary);

}  // namespace sallyport::files
