// For tests only: a file server over a folder of its own, requests to it, a reader whose work runs when the
// test says, and a clock ahead of the kernel's, so files are settled as soon as they are written.
#pragma once

#include "files/file_server.h"
#include "files/folder_for_test.h"
#include "masque/doubles_for_test.h"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sallyport::files {

/// Old kernels and some sandboxes have no openat2; links are not followed there.
inline bool kernel_keeps_us_beneath() {
  open_how how{};
  how.flags = O_PATH;
  const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how)));
  return static_cast<bool>(fd);
}

/// Runs its work when the test says.
class ReaderForTest final : public net::FileReader {
 public:
  std::unique_ptr<net::Reading> run(std::function<void()> work, std::function<void()> done) override {
    jobs.push_back(std::make_shared<Job>(std::move(work), std::move(done)));
    return std::make_unique<ReadingForTest>(jobs.back());
  }
  std::expected<std::size_t, int> read_now(const net::ReadableFile& file, MutableBytes out,
                                           std::uint64_t offset) const override {
    if (all_on_disk) return std::unexpected(EAGAIN);
    return file.read_now(out, offset);
  }
  bool is_busy() const override { return busy; }
  void run_one() {
    ASSERT_FALSE(jobs.empty());
    const auto job = jobs.front();
    jobs.pop_front();
    job->work();
    const auto done = std::exchange(job->done, nullptr);
    if (done) done();
  }

  struct Job {
    std::function<void()> work, done;
  };
  std::deque<std::shared_ptr<Job>> jobs;
  bool busy = false;
  bool all_on_disk = false;  ///< no file content is in the page cache

 private:
  struct ReadingForTest final : net::Reading {
    explicit ReadingForTest(std::shared_ptr<Job> of) : job(std::move(of)) {}
    ~ReadingForTest() override { job->done = nullptr; }
    std::shared_ptr<Job> job;
  };
};

/// Stands in for the kernel's clock.
struct WallClockForTest {
  static inline std::optional<FileTime> fixed;
  static FileTime now() {
    if (fixed) return *fixed;
    auto time = wall_clock_now();
    time.seconds += 10;
    return time;
  }
};

class FileServerTest : public testing::Test {
 protected:
  void SetUp() override { serve({}); }
  void TearDown() override { WallClockForTest::fixed.reset(); }
  void serve(FileServerOptions options) {
    auto served = ServedFolder::open(folder.path());
    ASSERT_TRUE(served);
    options.load.now = WallClockForTest::now;
    files = std::make_unique<FileServer>(*served, replies, options);
  }
  masque::ExchangeForTest& ask(std::string method, std::string path, const http::Fields& fields = {},
                               std::string_view alt_svc = {}) {
    auto& exchange = connection.receive(
        {.method = std::move(method), .authority = "a.test", .path = std::move(path), .fields = fields});
    files->serve({exchange, alt_svc});
    EXPECT_NE(exchange.handler(), nullptr);
    return exchange;
  }
  masque::ExchangeForTest& get(const std::string& path, const http::Fields& fields = {}) {
    return ask("GET", path, fields);
  }
  void pass(Duration time) { timers.set_now(timers.now() + time); }

  static unsigned status(const masque::ExchangeForTest& exchange) {
    return exchange.responses.size() == 1 ? exchange.responses[0].status : 0;
  }
  static std::string field(const masque::ExchangeForTest& exchange, std::string_view name) {
    return std::string(exchange.responses.at(0).fields.find(name).value_or("(none)"));
  }

  FolderForTest folder;
  net::Timers timers{Time(100s)};
  masque::ConnectionForTest connection{timers};
  http::Replies replies;
  ReaderForTest reader;
  std::unique_ptr<FileServer> files;
};

}  // namespace sallyport::files
