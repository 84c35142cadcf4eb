#include "client/answer.h"

#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::client {

static void PrintTo(Answer::Is is, std::ostream* out) {
  constexpr const char* names[] = {"whole", "part", "other version", "useless"};
  *out << names[static_cast<std::size_t>(is)];
}

namespace {

using Is = Answer::Is;

struct Row {
  const char* what;
  unsigned status;
  http::Fields fields;
  Is is;
  ByteRange range{};
};

void expect_rows(const Question& question, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const Answer answer = judge(question, {.status = row.status, .fields = row.fields});
    EXPECT_EQ(answer.is, row.is);
    EXPECT_EQ(answer.range, row.range);
    const bool tells_size = row.is == Is::part || (row.is == Is::whole && row.status == 206);
    EXPECT_EQ(answer.size, tells_size ? 1000u : 0u);
  }
}

TEST(Answer, ToAQuestionForAllOfIt) {
  expect_rows(
      {}, {
              {"200", 200, {{"content-length", "1000"}}, Is::whole},
              {"no content", 204, {}, Is::whole},
              {"another 2xx", 203, {}, Is::whole},
              {"a slice that calls itself all", 200, {{"content-range", "bytes 100-199/1000"}}, Is::useless},
              {"its beginning", 200, {{"content-range", "bytes 0-99/1000"}}, Is::useless},
              {"all of it, said twice", 200, {{"content-range", "bytes 0-999/1000"}}, Is::whole},
              {"all of it, of another length",
               200,
               {{"content-range", "bytes 0-999/1000"}, {"content-length", "5"}},
               Is::whole},
              {"a range of an unknown whole", 200, {{"content-range", "bytes 0-99/*"}}, Is::useless},
              {"no sense", 200, {{"content-range", "all"}}, Is::whole},
              {"no range of it", 200, {{"content-range", "bytes */1000"}}, Is::whole},
              {"another unit", 200, {{"content-range", "items 0-9/10"}}, Is::whole},
              {"more than the size", 200, {{"content-range", "bytes 0-9/5"}}, Is::whole},
              {"no sense in a range", 206, {{"content-range", "all"}}, Is::useless},
              {"a range that is none", 206, {{"content-range", "bytes */1000"}}, Is::useless},
              {"a range of it", 206, {{"content-range", "bytes 0-99/1000"}}, Is::useless},
              {"all of it as a range", 206, {{"content-range", "bytes 0-999/1000"}}, Is::whole},
              {"no range", 206, {}, Is::useless},
          });
}

TEST(Answer, ToTheFirstQuestionForARange) {
  expect_rows({.range = ByteRange{0, 100}},
              {
                  {"the range", 206, {{"content-range", "bytes 0-99/1000"}}, Is::part, {0, 100}},
                  {"less of it", 206, {{"content-range", "bytes 0-49/1000"}}, Is::part, {0, 50}},
                  {"the unit in capitals", 206, {{"content-range", "Bytes 0-99/1000"}}, Is::part, {0, 100}},
                  {"all of it", 200, {{"content-length", "1000"}}, Is::whole},
                  {"more than was asked for", 206, {{"content-range", "bytes 0-199/1000"}}, Is::useless},
                  {"a size that nobody knows", 206, {{"content-range", "bytes 0-99/*"}}, Is::useless},
                  {"another unit", 206, {{"content-range", "items 0-99/1000"}}, Is::useless},
                  {"no range", 206, {{"content-type", "multipart/byteranges; boundary=x"}}, Is::useless},
                  {"a body of another length",
                   206,
                   {{"content-range", "bytes 0-99/1000"}, {"content-length", "1000"}},
                   Is::useless},
              });
}

TEST(Answer, ToAQuestionForWhatIsMissing) {
  const std::string tag = "\"1\"";
  expect_rows(
      {.range = ByteRange{300, 600}, .size = 1000, .validator = tag},
      {
          {"the range", 206, {{"content-range", "bytes 300-599/1000"}, {"etag", tag}}, Is::part, {300, 600}},
          {"without its validator", 206, {{"content-range", "bytes 300-599/1000"}}, Is::part, {300, 600}},
          {"less of it", 206, {{"content-range", "bytes 300-399/1000"}}, Is::part, {300, 400}},
          {"a size that is known here", 206, {{"content-range", "bytes 300-599/*"}}, Is::part, {300, 600}},
          {"the unit in capitals", 206, {{"content-range", "BYTES 300-599/1000"}}, Is::part, {300, 600}},
          {"begins earlier", 206, {{"content-range", "bytes 0-599/1000"}}, Is::useless},
          {"begins later", 206, {{"content-range", "bytes 400-599/1000"}}, Is::useless},
          {"ends later", 206, {{"content-range", "bytes 300-999/1000"}}, Is::useless},
          {"beyond the size", 206, {{"content-range", "bytes 300-1999/*"}}, Is::useless},
          {"another size", 206, {{"content-range", "bytes 300-599/999"}}, Is::other_version},
          {"another version",
           206,
           {{"content-range", "bytes 300-599/1000"}, {"etag", "\"2\""}},
           Is::other_version},
          {"all of it", 200, {{"content-length", "1000"}, {"etag", tag}}, Is::whole},
          {"all of another version", 200, {{"content-length", "999"}, {"etag", "\"2\""}}, Is::whole},
          {"the slice, called all",
           200,
           {{"content-range", "bytes 300-599/1000"}, {"etag", tag}},
           Is::useless},
          {"all of it, and no range", 200, {{"content-range", "bytes */1000"}, {"etag", tag}}, Is::whole},
          {"no range", 206, {{"content-range", "bytes */1000"}, {"etag", tag}}, Is::useless},
      });
}

}  // namespace
}  // namespace sallyport::client
