#include "gateway/worker_thread.h"

#include "net/file_reader.h"
#include "net/inbound.h"
#include "net/outbound.h"

#include <chrono>
#include <string>
#include <utility>

#include <pthread.h>

namespace sallyport::gateway {

WorkerThread::~WorkerThread() {
  join();
}

Result<> WorkerThread::start(std::shared_ptr<const WorkerSetup> setup, unsigned number,
                             std::shared_ptr<const config::Configuration> configuration) {
  std::promise<Result<>> listening;
  auto outcome = listening.get_future();
  thread_ = std::thread([this, setup = std::move(setup), number, configuration = std::move(configuration),
                         &listening] { run(setup, number, configuration, listening); });
  return outcome.get();
}

void WorkerThread::run(const std::shared_ptr<const WorkerSetup>& setup, unsigned number,
                       const std::shared_ptr<const config::Configuration>& configuration,
                       std::promise<Result<>>& listening) {
  ::pthread_setname_np(::pthread_self(), ("worker " + std::to_string(number)).c_str());
  const auto inbound = net::make_kernel_inbound(loop_);
  // Thousands of flows may have a socket each: smaller buffers than the listener's, still a few milliseconds
  // at 10 Gbit/s.
  const auto outbound = net::make_kernel_outbound(loop_, {.udp_receive_buffer = 2 * 1024 * 1024,
                                                          .udp_send_buffer = 2 * 1024 * 1024,
                                                          .leave_descriptors = setup->leave_descriptors});
  const auto file_reader = net::make_file_reader(loop_);
  std::unique_ptr<net::TunQueue> packets;
  if (setup->ip) {
    auto queue = setup->ip->take_queue(loop_, number);
    if (!queue) return listening.set_value(std::unexpected(std::move(queue.error())));
    packets = std::move(*queue);
  }
  Worker worker(*inbound, *outbound, loop_.timers(), setup, number,
                {.file_reader = file_reader.get(),
                 .packets = packets.get(),
                 .tun = packets.get(),
                 .wall_clock = std::chrono::system_clock::now});
  if (auto done = worker.apply(configuration); !done) {
    listening.set_value(std::unexpected(std::move(done.error())));
    return;
  }
  worker_ = &worker;
  listening.set_value({});  // the promise is gone after this
  serving_.wait(false);
  loop_.run();
  worker_ = nullptr;
}

void WorkerThread::serve() {
  serving_ = true;
  serving_.notify_all();
}

void WorkerThread::post(std::function<void(Worker&)> work) {
  loop_.post([this, work = std::move(work)] {
    if (worker_ != nullptr) work(*worker_);
  });
}

void WorkerThread::stop() {
  post([this](Worker& worker) {
    worker.close_all();
    // The closes are sent at the end of this turn.
    loop_.post([this] { loop_.stop(); });
  });
  serve();  // one that was started in vain has to end, too
}

void WorkerThread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace sallyport::gateway
