// FdWatch: owns a descriptor and reports when it is readable or writable. Every socket of net uses one. It
// costs one small allocation; an event allocates nothing.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/event_loop.h"

#include <utility>

namespace sallyport::net {

/// Gets at most one call of each kind a turn. Either call may destroy the FdWatch.
class FdWatcher {
 public:
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;

 protected:
  ~FdWatcher() = default;
};

class FdWatch {
 public:
  FdWatch() = default;  ///< watches nothing
  /// `fd` is non-blocking; `watcher` and `loop` must outlive the watch. Watches no event yet.
  static Result<FdWatch> open(EventLoop& loop, UniqueFd fd, FdWatcher& watcher);
  FdWatch(FdWatch&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  FdWatch& operator=(FdWatch&& other) noexcept;
  ~FdWatch() { close(); }

  /// -1 when closed.
  int fd() const;
  void set_watcher(FdWatcher& watcher);
  /// While on, on_readable is called in each turn in which the descriptor is readable (also on an error or
  /// the end), so it need not read everything.
  void want_readable(bool on);
  /// on_writable is called once, in a later turn.
  void want_writable();
  void close();

  /// What the loop knows of it. Not used by others.
  struct Node;

 private:
  explicit FdWatch(Node* node) : node_(node) {}
  Node* node_ = nullptr;
};

}  // namespace sallyport::net
