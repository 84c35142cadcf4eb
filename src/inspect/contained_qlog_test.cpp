#include "inspect/contained_qlog.h"

#include <cstddef>
#include <string>

#include <gtest/gtest.h>

namespace sallyport::inspect {
namespace {

/// The error of a document whose second event is a string of that size; empty: none.
std::string error_of_event(std::size_t size) {
  ContainedQlog document([](std::size_t, const auto&) {}, nullptr);
  const auto fed = document.feed(R"({"traces":[{"events":["first",")" + std::string(size, 'x') + R"("]}]})");
  return fed ? "" : fed.error().message;
}

TEST(ContainedQlog, TheLimitIsOfEachEventByItself) {
  // What a value costs besides its characters is counted as well.
  constexpr std::size_t longest = 32 * 1024 * 1024 - 16;
  EXPECT_EQ(error_of_event(longest), "");
  EXPECT_EQ(error_of_event(longest + 1), "line 1: a record is longer than 32 MiB");
}

}  // namespace
}  // namespace sallyport::inspect
