#include "net/file_reader.h"

#include "net/loop_home.h"
#include "net/start_thread.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

#include <pthread.h>

namespace sallyport::net {
namespace {

// A few threads: a disk serves one reader about as well as many, and the page cache needs none.
constexpr std::size_t max_threads = 4;
constexpr std::size_t busy_from = 1024;

struct Job {
  std::shared_ptr<LoopHome> home;
  std::function<void()> work;  // used on the reading thread only, once it waits there
  std::function<void()> done;  // used on the loop's thread only; empty when cancelled
  std::atomic<bool> cancelled = false;
};

/// The process's reading threads. They are never joined, because a read from an unreachable file server may
/// never end; so the pool is never destroyed.
class ReadingThreads {
 public:
  static ReadingThreads& instance() {
    static ReadingThreads* const threads = new ReadingThreads;
    return *threads;
  }

  void add(std::shared_ptr<Job> job) {
    const std::scoped_lock lock(mutex_);
    waiting_.push_back(std::move(job));
    count_.store(waiting_.size(), std::memory_order_relaxed);
    if (idle_ < waiting_.size() && started_ < max_threads) {
      started_ += start_thread([this] { work(); });
    }
    has_work_.notify_one();
  }

  bool is_busy() const { return count_.load(std::memory_order_relaxed) >= busy_from; }

 private:
  void work() {
    ::pthread_setname_np(::pthread_self(), "file reader");
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_;
      has_work_.wait(lock, [this] { return !waiting_.empty(); });
      --idle_;
      std::shared_ptr<Job> job = std::move(waiting_.front());
      waiting_.pop_front();
      count_.store(waiting_.size(), std::memory_order_relaxed);
      lock.unlock();
      run(std::move(job));
      lock.lock();
    }
  }

  static void run(std::shared_ptr<Job> job) {
    if (!job->cancelled) job->work();
    // The data owned by the work returns to the loop's thread.
    const auto home = job->home;
    home->post([job = std::move(job)] {
      if (job->cancelled) return;
      const auto done = std::move(job->done);
      done();
    });
  }

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<std::shared_ptr<Job>> waiting_;
  std::atomic<std::size_t> count_ = 0;  // the size of waiting_, readable without the lock
  std::size_t idle_ = 0;
  std::size_t started_ = 0;
};

class ThreadedReading final : public Reading {
 public:
  explicit ThreadedReading(std::shared_ptr<Job> job) : job_(std::move(job)) {}
  ~ThreadedReading() override {
    job_->cancelled = true;
    job_->done = nullptr;
  }

 private:
  std::shared_ptr<Job> job_;
};

class ThreadedReader final : public FileReader {
 public:
  explicit ThreadedReader(EventLoop& loop) : home_(std::make_shared<LoopHome>(loop)) {}
  ~ThreadedReader() override { home_->close(); }

  std::unique_ptr<Reading> run(std::function<void()> work, std::function<void()> done) override {
    auto job = std::make_shared<Job>();
    job->home = home_;
    job->work = std::move(work);
    job->done = std::move(done);
    ReadingThreads::instance().add(job);
    return std::make_unique<ThreadedReading>(std::move(job));
  }

  bool is_busy() const override { return ReadingThreads::instance().is_busy(); }

 private:
  std::shared_ptr<LoopHome> home_;
};

}  // namespace

std::unique_ptr<FileReader> make_file_reader(EventLoop& loop) {
  return std::make_unique<ThreadedReader>(loop);
}

}  // namespace sallyport::net
