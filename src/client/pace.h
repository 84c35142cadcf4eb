// Pace: holds one transfer to so many bytes a second (`get --limit-rate`): says when the next bytes may move.
#pragma once

#include "net/timers.h"

#include <cstddef>
#include <cstdint>
#include <functional>

namespace sallyport::client {

class Pace {
 public:
  /// `bytes_per_second` 0: no limit. `go_on` is called in a turn of its own when holds_back() ends.
  Pace(net::Timers& timers, std::uint64_t bytes_per_second, std::function<void()> go_on);
  void moved(std::size_t bytes);
  /// No more bytes may move now; then `go_on` will be called.
  bool holds_back();

 private:
  net::Timers& timers_;
  std::uint64_t rate_;
  Time free_at_{};  // when what moved is paid for
  net::Timer wait_;
};

}  // namespace sallyport::client
