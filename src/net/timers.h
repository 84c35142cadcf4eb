// Timers: deadlines, and work put off to the end of the current turn. The event loop advances one with the
// real clock, tests advance one with a simulated clock; the protocol layers know nothing else of time.
#pragma once

#include "base/time.h"

#include <cstddef>
#include <functional>
#include <vector>

namespace sallyport::net {

class Timers;

/// One deadline, a member of the object that waits for it. Destroying it disarms it, also from inside its own
/// callback.
class Timer {
 public:
  Timer(Timers& timers, std::function<void(Time now)> on_fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Fires once at or after `deadline`; replaces an earlier deadline. Moving a deadline later costs nothing.
  void arm(Time deadline);
  void disarm();
  bool armed() const { return deadline_ != never; }
  Time deadline() const { return deadline_; }

 private:
  friend class Timers;
  Timers& timers_;
  std::function<void(Time)> on_fire_;
  Time deadline_ = never;
  Time heap_key_ = never;  // when the heap looks at it; may be earlier than deadline_
  std::size_t heap_index_ = npos;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

/// Work done once at the end of the turn, however often it is requested in the turn: flushing a connection or
/// a batch of datagrams. A member of the object that does the work; destroying it cancels the request, also
/// from inside the work. A request made while the work runs is done in the same turn.
class Deferred {
 public:
  Deferred(Timers& timers, std::function<void(Time now)> work);
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  void request();
  bool requested() const { return index_ != npos; }

 private:
  friend class Timers;
  Timers& timers_;
  std::function<void(Time)> work_;
  std::size_t index_ = npos;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

class Timers {
 public:
  explicit Timers(Time start) : now_(start) {}
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  /// The time of the current turn.
  Time now() const { return now_; }

  // For the driver (event loop, simulation):
  /// Starts a turn at `now` without firing timers, for work to be done before them. Time never goes back.
  void set_now(Time now);
  /// set_now(), then fires the due timers, earliest first. A timer that arms itself for no later than `now`
  /// fires again in this call or in the next one.
  void advance(Time now);
  /// Does the deferred work, and work deferred meanwhile, until none is left.
  void run_deferred();
  /// `never` when nothing is armed. May be too early (for a deadline that was moved later); advance() then
  /// fires nothing.
  Time next_deadline() const;
  bool has_deferred() const { return deferred_count_ != 0; }

 private:
  friend class Timer;
  friend class Deferred;
  void heap_insert(Timer& timer);
  void heap_remove(Timer& timer);
  void place(Timer* timer, std::size_t index);
  void sift_up(std::size_t index);
  void sift_down(std::size_t index);

  Time now_;
  std::vector<Timer*> heap_;         // binary, by heap_key_, earliest first
  std::vector<Deferred*> deferred_;  // null where work was cancelled
  std::size_t deferred_count_ = 0;
  // The timer whose callback runs now; null once it is destroyed.
  Timer* firing_ = nullptr;
  Deferred* working_ = nullptr;
};

}  // namespace sallyport::net
