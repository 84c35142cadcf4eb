#include "base/signal_copies.h"

#include <csignal>

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(SignalCopies, AreOfOneKindAndComeWithTheFirst) {
  const Time start(1000s);
  SignalCopies copies;
  EXPECT_FALSE(copies.is_copy(SIGTERM, start));
  EXPECT_TRUE(copies.is_copy(SIGTERM, start));
  EXPECT_TRUE(copies.is_copy(SIGTERM, start + 499ms));
  // Half a second after the first, whatever came between.
  EXPECT_FALSE(copies.is_copy(SIGTERM, start + 500ms));
  EXPECT_TRUE(copies.is_copy(SIGTERM, start + 501ms));
  EXPECT_FALSE(copies.is_copy(SIGINT, start + 502ms));
  EXPECT_TRUE(copies.is_copy(SIGINT, start + 503ms));
}

}  // namespace
}  // namespace sallyport
