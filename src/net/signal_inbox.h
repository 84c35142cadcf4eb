// SignalInbox: how signals reach an event loop. The process's handlers only count them in the inboxes that
// watch them, and write to each inbox's eventfd, since little else is safe in a signal handler
// (signal-safety(7)).
#pragma once

#include "base/result.h"

#include <vector>

namespace sallyport::net {

/// Of one thread, but for what the handlers write.
class SignalInbox {
 public:
  SignalInbox() = default;
  /// Signals that no other inbox watches get back what they did before.
  ~SignalInbox();
  SignalInbox(const SignalInbox&) = delete;
  SignalInbox& operator=(const SignalInbox&) = delete;

  /// Errors: there are as many open ones as there can be (16), or there is no descriptor left.
  Result<> open();
  bool is_open() const { return place_ != nullptr; }
  /// Readable since the last signal came: to be watched edge-triggered, and not to be read. Not owned by the
  /// caller.
  int fd() const;
  /// Counts this signal from now on. Once open().
  Result<> watch(int signal);
  /// What came since the last call, each as often as it came; by number.
  std::vector<int> take();
  /// What this one watches does nothing once it is gone, where it would get its earlier action back.
  void keep_from_default();

  /// What a handler sees of it. Not used by others.
  struct Place;

 private:
  Place* place_ = nullptr;
};

}  // namespace sallyport::net
