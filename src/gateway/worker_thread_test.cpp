#include "gateway/worker_thread.h"

#include "tls/certificate.h"

#include <atomic>
#include <future>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

struct WorkerThreadTest : testing::Test {
  WorkerThreadTest() {
    const auto credentials =
        tls::ServerCredentials::make({tls::make_self_signed({"a.test"}).value()}).value();
    // UDP alone: a port that the system chose for it may be somebody's over TCP.
    configuration->listeners.push_back({.id = "one",
                                        .address = *net::SocketAddress::parse("127.0.0.1:0"),
                                        .tcp = false,
                                        .credentials = credentials});
  }
  const std::shared_ptr<WorkerSetup> setup = std::make_shared<WorkerSetup>();
  const std::shared_ptr<config::Configuration> configuration = std::make_shared<config::Configuration>();
};

TEST_F(WorkerThreadTest, ListensAtOnceAndServesWhenItIsTold) {
  WorkerThread thread;
  std::atomic<bool> told = false;
  std::promise<std::pair<bool, std::size_t>> seen;
  ASSERT_TRUE(thread.start(setup, 0, configuration));
  thread.post([&](Worker& worker) { seen.set_value({told.load(), worker.listeners().size()}); });
  std::this_thread::yield();
  told = true;
  thread.serve();
  EXPECT_EQ(seen.get_future().get(), (std::pair<bool, std::size_t>{true, 1}));
  thread.stop();
}

TEST_F(WorkerThreadTest, EndsWithoutHavingServed) {
  WorkerThread thread;
  ASSERT_TRUE(thread.start(setup, 0, configuration));
  thread.stop();
  thread.join();
}

}  // namespace
}  // namespace sallyport::gateway
