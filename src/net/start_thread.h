// start_thread(): starts a thread of a pool; may fail at the process's limit.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

namespace sallyport::net {

/// The number of threads started: 0 where the system allows no more. Peers cause pools to grow; their work
/// then waits for the existing threads.
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
