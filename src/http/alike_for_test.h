// Alike: what an exchange does over HTTP/1.1 and HTTP/2 alike: tests of this suite run over both, whole and
// byte by byte.
#pragma once

#include "http/tcp_for_test.h"

#include <deque>
#include <string>

#include <gtest/gtest.h>

namespace sallyport::http::test {

struct Way {
  Pair::Speaks speaks;
  std::size_t piece;
};

class Alike : public testing::TestWithParam<Way> {
 protected:
  RecordingExchange& recorder() { return recorders_.emplace_back(); }

 private:
  std::deque<RecordingExchange> recorders_;  // outlive the connections, which may still call them at the end

 protected:
  Pair pair{GetParam().speaks, GetParam().piece};
  bool is_h1() const { return GetParam().speaks == Pair::Speaks::h1; }
  void settle() { pair.clock.settle(); }
};

inline auto all_ways() {
  return testing::Values(Way{Pair::Speaks::h1, 64 * 1024}, Way{Pair::Speaks::h1, 1},
                         Way{Pair::Speaks::h2, 64 * 1024}, Way{Pair::Speaks::h2, 1});
}

inline std::string way_name(const testing::TestParamInfo<Way>& one) {
  return std::string(one.param.speaks == Pair::Speaks::h1 ? "Http1" : "Http2") +
         (one.param.piece == 1 ? "ByteByByte" : "Whole");
}

}  // namespace sallyport::http::test
