#include "trace/writer_thread.h"

#include <utility>

#include <pthread.h>

namespace sallyport::trace {

void Alarm::ring() {
  {
    const std::lock_guard lock(mutex_);
    rung_ = true;
  }
  condition_.notify_one();
}

void Alarm::wait(Duration most) {
  std::unique_lock lock(mutex_);
  const auto rang = [this] { return rung_; };
  if (most == Duration::zero())
    condition_.wait(lock, rang);
  else
    condition_.wait_for(lock, most, rang);
  rung_ = false;
}

WriterThread::WriterThread(const char* name, Duration interval, Alarm& alarm, Round round)
    : interval_(interval), alarm_(alarm), round_(std::move(round)), thread_([this] { run(); }) {
  ::pthread_setname_np(thread_.native_handle(), name);
}

WriterThread::~WriterThread() {
  stopping_.store(true, std::memory_order_release);
  alarm_.ring();
  thread_.join();
}

void WriterThread::run() {
  for (Left left = Left::nothing;;) {
    if (left != Left::more) alarm_.wait(left == Left::some ? interval_ : Duration::zero());
    const bool last = stopping_.load(std::memory_order_acquire);
    left = round_(last);
    if (last && left != Left::more) return;
  }
}

}  // namespace sallyport::trace
