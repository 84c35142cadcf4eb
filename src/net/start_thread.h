// start_thread(): a thread of a pool, which the process may not be able to have.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

namespace sallyport::net {

/// How many threads were started: none where the system allows no more. Peers make pools grow, and what they
/// ask for then waits for the threads that are there.
template <class Work>
unsigned start_thread(Work&& work) {
  try {
    std::thread(std::forward<Work>(work)).detach();
    return 1;
  } catch (const std::system_error&) {
    return 0;
  }
}

}  // namespace sallyport::net
