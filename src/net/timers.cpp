#include "net/timers.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sallyport::net {

Timer::Timer(Timers& timers, std::function<void(Time)> on_fire)
    : timers_(timers), on_fire_(std::move(on_fire)) {}

Timer::~Timer() {
  disarm();
  if (timers_.firing_ == this) timers_.firing_ = nullptr;
}

void Timer::arm(Time deadline) {
  if (deadline == never) return disarm();
  deadline_ = deadline;
  if (heap_index_ == npos) {
    heap_key_ = deadline;
    timers_.heap_insert(*this);
  } else if (deadline < heap_key_) {
    heap_key_ = deadline;
    timers_.sift_up(heap_index_);
  }
  // A deadline moved later is handled when the earlier one is due: a connection moves its deadline with every
  // packet.
}

void Timer::disarm() {
  deadline_ = never;
  if (heap_index_ != npos) timers_.heap_remove(*this);
}

Deferred::Deferred(Timers& timers, std::function<void(Time)> work)
    : timers_(timers), work_(std::move(work)) {}

Deferred::~Deferred() {
  if (index_ != npos) {
    timers_.deferred_[index_] = nullptr;
    --timers_.deferred_count_;
  }
  if (timers_.working_ == this) timers_.working_ = nullptr;
}

void Deferred::request() {
  if (index_ != npos) return;
  index_ = timers_.deferred_.size();
  timers_.deferred_.push_back(this);
  ++timers_.deferred_count_;
}

void Timers::set_now(Time now) {
  now_ = std::max(now_, now);
}

void Timers::advance(Time now) {
  assert(firing_ == nullptr);
  set_now(now);
  // Each timer fires about once in a turn, so a timer that re-arms itself without delay cannot block the
  // turn.
  for (std::size_t rest = heap_.size(); rest > 0 && !heap_.empty() && heap_.front()->heap_key_ <= now_;) {
    Timer& timer = *heap_.front();
    if (timer.deadline_ != timer.heap_key_) {  // was moved later
      timer.heap_key_ = timer.deadline_;
      sift_down(0);
      continue;
    }
    --rest;
    timer.disarm();
    // The callback may destroy the timer, so it must not run from inside it.
    firing_ = &timer;
    std::function<void(Time)> callback = std::move(timer.on_fire_);
    callback(now_);
    if (firing_ != nullptr) timer.on_fire_ = std::move(callback);
    firing_ = nullptr;
  }
}

void Timers::run_deferred() {
  assert(working_ == nullptr);
  for (std::size_t i = 0; i < deferred_.size(); ++i) {
    Deferred* const deferred = deferred_[i];
    if (deferred == nullptr) continue;
    deferred->index_ = Deferred::npos;
    --deferred_count_;
    deferred_[i] = nullptr;
    working_ = deferred;
    std::function<void(Time)> work = std::move(deferred->work_);
    work(now_);
    if (working_ != nullptr) deferred->work_ = std::move(work);
    working_ = nullptr;
  }
  deferred_.clear();
}

Time Timers::next_deadline() const {
  return heap_.empty() ? never : heap_.front()->heap_key_;
}

void Timers::heap_insert(Timer& timer) {
  heap_.push_back(&timer);
  timer.heap_index_ = heap_.size() - 1;
  sift_up(timer.heap_index_);
}

void Timers::heap_remove(Timer& timer) {
  const std::size_t hole = timer.heap_index_;
  timer.heap_index_ = Timer::npos;
  Timer* const last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  place(last, hole);
  sift_down(hole);
  sift_up(last->heap_index_);
}

void Timers::place(Timer* timer, std::size_t index) {
  heap_[index] = timer;
  timer->heap_index_ = index;
}

void Timers::sift_up(std::size_t index) {
  Timer* const timer = heap_[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (heap_[parent]->heap_key_ <= timer->heap_key_) break;
    place(heap_[parent], index);
    index = parent;
  }
  place(timer, index);
}

void Timers::sift_down(std::size_t index) {
  Timer* const timer = heap_[index];
  while (true) {
    std::size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->heap_key_ < heap_[child]->heap_key_) ++child;
    if (timer->heap_key_ <= heap_[child]->heap_key_) break;
    place(heap_[child], index);
    index = child;
  }
  place(timer, index);
}

}  // namespace sallyport::net
