#include "files/byte_ranges.h"

#include <gtest/gtest.h>

namespace sallyport::files {
namespace {

using Outcome = RangeSelection::Outcome;
using Ranges = std::vector<ByteRange>;

TEST(ByteRanges, SelectsWhatIsAskedFor) {
  struct Case {
    std::string_view field;
    Ranges ranges;
  };
  for (const auto& [field, ranges] : {
           Case{"bytes=0-0", {{0, 1}}},
           Case{"bytes=0-499", {{0, 500}}},
           Case{"bytes=500-", {{500, 500}}},
           Case{"bytes=999-", {{999, 1}}},
           Case{"bytes=-1", {{999, 1}}},
           Case{"bytes=-5000", {{0, 1000}}},
           Case{"bytes=900-5000", {{900, 100}}},
           Case{"bytes=0-99999999999999999999999999", {{0, 1000}}},
           Case{"BYTES=1-2", {{1, 2}}},
           Case{"bytes= 1-2 ,\t4-5", {{1, 2}, {4, 2}}},
           Case{"bytes=,1-2,,", {{1, 2}}},
           Case{"bytes=500-599,0-9", {{500, 100}, {0, 10}}},
           Case{"bytes=0-9,10-19", {{0, 10}, {10, 10}}},
           Case{"bytes=100-300,0-9,200-400", {{0, 10}, {100, 301}}},
           Case{"bytes=0-,0-,0-", {{0, 1000}}},
           Case{"bytes=2000-3000,5-6", {{5, 2}}},
       }) {
    const auto selection = select_ranges(field, 1000);
    EXPECT_EQ(selection.outcome, Outcome::partial) << field;
    EXPECT_EQ(selection.ranges, ranges) << field;
  }
}

TEST(ByteRanges, SaysWhenNothingIsLeft) {
  for (const auto* field : {"bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=5000-6000,1000-",
                            "bytes=99999999999999999999999-"})
    EXPECT_EQ(select_ranges(field, 1000).outcome, Outcome::unsatisfiable) << field;
}

TEST(ByteRanges, IgnoresWhatItDoesNotUnderstand) {
  for (const auto* field :
       {"", "bytes", "bytes=", "bytes=,", "lines=1-2", "bytes=a-b", "bytes=1", "bytes=-", "bytes=2-1",
        "bytes=1-2-3", "bytes=+1-2", "bytes=1 - 2", "bytes=1-2;3-4", "bytes=0x1-2", "bytes=--1"})
    EXPECT_EQ(select_ranges(field, 1000).outcome, Outcome::whole) << field;
}

TEST(ByteRanges, AnEmptyFileIsSentWhole) {
  EXPECT_EQ(select_ranges("bytes=0-", 0).outcome, Outcome::whole);
  EXPECT_EQ(select_ranges("bytes=-5", 0).outcome, Outcome::whole);
}

TEST(ByteRanges, TooManyAreIgnored) {
  std::string field = "bytes=0-0";
  for (std::size_t i = 1; i < max_ranges; ++i)
    field += "," + std::to_string(i * 2) + "-" + std::to_string(i * 2);
  EXPECT_EQ(select_ranges(field, 1000).ranges.size(), max_ranges);
  EXPECT_EQ(select_ranges(field + ",900-", 1000).outcome, Outcome::whole);
}

TEST(ByteRanges, MultipartAddsUp) {
  const Ranges ranges{{0, 3}, {10, 5}};
  const auto parts = make_multipart(ranges, 100, "text/plain", "BOUNDARY");
  EXPECT_EQ(parts.content_type, "multipart/byteranges; boundary=BOUNDARY");
  const auto body = parts.heads[0] + "abc" + parts.heads[1] + "vwxyz" + parts.tail;
  EXPECT_EQ(parts.length, body.size());
  EXPECT_EQ(body,
            "--BOUNDARY\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-2/100\r\n\r\nabc"
            "\r\n--BOUNDARY\r\ncontent-type: text/plain\r\ncontent-range: bytes 10-14/100\r\n\r\nvwxyz"
            "\r\n--BOUNDARY--\r\n");
}

}  // namespace
}  // namespace sallyport::files
