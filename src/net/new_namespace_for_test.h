// A network namespace of a test's own, for tests that change the network.
#pragma once

#include <exception>
#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>

namespace sallyport::net::test {

inline constexpr const char* needs_namespace = "needs CAP_SYS_ADMIN for a network namespace";

/// Runs `test` in a thread with a new network namespace, in which nothing is up; false where we may not make
/// one.
inline bool in_new_namespace(const std::function<void()>& test) {
  bool possible = false;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) return;
    possible = true;
    try {
      test();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }).join();
  return possible;
}

}  // namespace sallyport::net::test
