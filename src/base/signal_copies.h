// SignalCopies: tells a second signal, by which somebody presses for the end, from a copy of the first:
// timeout(1) and some supervisors send a signal to the process and then to its group. Used by what ends on
// signals.
#pragma once

#include "base/time.h"

namespace sallyport {

class SignalCopies {
 public:
  /// Whether `signal` is one: of the same kind as the last that was none, and within half a second of it.
  bool is_copy(int signal, Time now) {
    if (signal == signal_ && now - at_ < 500ms) return true;
    signal_ = signal;
    at_ = now;
    return false;
  }

 private:
  int signal_ = 0;  // none yet
  Time at_{};
};

}  // namespace sallyport
