#include "admin/process_figures.h"

#include "base/unique_fd.h"

#include <string>
#include <string_view>

#include <fcntl.h>
#include <gtest/gtest.h>

namespace sallyport::admin {
namespace {

double open_descriptors() {
  MetricSet figures;
  collect_process_figures(figures);
  const std::string text = figures.to_text();
  constexpr std::string_view series = "\nsallyport_process_open_descriptors ";
  const std::size_t at = text.find(series);
  EXPECT_NE(at, std::string::npos) << text;
  return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size()));
}

TEST(ProcessFigures, CountOpenDescriptors) {
  const double before = open_descriptors();
  EXPECT_GE(before, 0);
  const UniqueFd another(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(another);
  EXPECT_EQ(open_descriptors(), before + 1);
}

}  // namespace
}  // namespace sallyport::admin
