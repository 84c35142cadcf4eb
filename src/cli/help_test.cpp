#include "cli/run_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(Help, WritesValuesDefaultsAndBoundsForPeople) {
  EXPECT_THAT(test::sallyport({"get", "--help"}).out,
              AllOf(HasSubstr("  --stall-timeout S=30 (0.1 to 86400)\n"),
                    HasSubstr("  -n,--streams N=1 (1 to 1000)"), HasSubstr("  --mode auto|udp|tcp|ip=auto "),
                    HasSubstr("  --retry N (0 to 1000000)"), HasSubstr("  --resolve HOST:PORT:ADDRESS")));
  EXPECT_THAT(test::sallyport({"gateway", "--help"}).out,
              AllOf(HasSubstr("  --allow-port PORT (1 to 65535) ...\n"),
                    HasSubstr("  --max-tunnels N=1024 (1 to 1000000)")));
  EXPECT_THAT(test::sallyport({"get", "--help"}).out, HasSubstr("--max-time S (0.001 to 1000000000)"));
  for (const char* command : {"gateway", "get", "tun", "bench"})
    EXPECT_THAT(
        test::sallyport({command, "--help"}).out,
        AllOf(Not(HasSubstr("INT")), Not(HasSubstr("FLOAT")), Not(HasSubstr("TEXT:")), Not(HasSubstr("e+"))));
}

}  // namespace
}  // namespace sallyport::cli
