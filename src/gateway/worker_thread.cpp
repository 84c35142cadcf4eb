#include "gateway/worker_thread.h"

#include <future>
#include <utility>

#include <pthread.h>

namespace sallyport::gateway {
namespace {

constexpr unsigned max_strays_waiting = 1024;

}  // namespace

WorkerThread::~WorkerThread() {
  join();
}

Result<> WorkerThread::start(std::shared_ptr<const WorkerSetup> setup, unsigned number) {
  std::promise<Result<>> listening;
  auto outcome = listening.get_future();
  thread_ = std::thread([this, setup = std::move(setup), number, &listening] {
    ::pthread_setname_np(::pthread_self(), ("worker " + std::to_string(number)).c_str());
    auto worker = Worker::make(loop_, setup, number);
    if (!worker) {
      listening.set_value(std::unexpected(std::move(worker.error())));
      return;
    }
    worker_ = worker->get();
    listening.set_value({});  // the promise is gone after this
    loop_.run();
    worker_ = nullptr;
  });
  return outcome.get();
}

void WorkerThread::post(std::function<void(Worker&)> work) {
  loop_.post([this, work = std::move(work)] {
    if (worker_ != nullptr) work(*worker_);
  });
}

void WorkerThread::post_stray(Stray stray) {
  if (strays_waiting_.fetch_add(1, std::memory_order_relaxed) >= max_strays_waiting) {
    strays_waiting_.fetch_sub(1, std::memory_order_relaxed);
    strays_dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  strays_taken_.fetch_add(1, std::memory_order_relaxed);
  post([this, stray = std::move(stray)](Worker& worker) {
    strays_waiting_.fetch_sub(1, std::memory_order_relaxed);
    worker.receive_stray(stray);
  });
}

void WorkerThread::stop() {
  post([this](Worker& worker) {
    worker.close_all();
    // What was closed says so at the end of this turn.
    loop_.post([this] { loop_.stop(); });
  });
}

void WorkerThread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace sallyport::gateway
