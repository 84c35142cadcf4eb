#include "net/file_reader.h"

#include "net/readable_file.h"

#include <array>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

TEST(FileReader, WorksElsewhereAndTellsOnTheLoop) {
  EventLoop loop;
  const auto reader = make_file_reader(loop);
  const auto here = std::this_thread::get_id();
  auto worked_on = std::make_shared<std::thread::id>();
  std::thread::id told_on;
  std::unique_ptr<Reading> reading = reader->run([worked_on] { *worked_on = std::this_thread::get_id(); },
                                                 [&] {
                                                   told_on = std::this_thread::get_id();
                                                   reading.reset();  // as it may
                                                   loop.stop();
                                                 });
  EXPECT_EQ(told_on, std::thread::id());
  loop.run();
  EXPECT_EQ(told_on, here);
  EXPECT_NE(*worked_on, here);
  EXPECT_NE(*worked_on, std::thread::id());
  EXPECT_EQ(reading, nullptr);
}

TEST(FileReader, SlowWorkDoesNotHoldUpOthers) {
  EventLoop loop;
  const auto reader = make_file_reader(loop);
  auto gate = std::make_shared<std::promise<void>>();
  std::shared_future<void> open = gate->get_future().share();
  bool slow_done = false;
  const auto slow = reader->run([open] { open.wait(); },
                                [&] {
                                  slow_done = true;
                                  loop.stop();
                                });
  const auto quick = reader->run([] {}, [&] { loop.stop(); });
  loop.run();
  EXPECT_FALSE(slow_done);
  gate->set_value();
  loop.run();
  EXPECT_TRUE(slow_done);
}

TEST(FileReader, NothingIsToldAfterACancel) {
  EventLoop loop;
  const auto reader = make_file_reader(loop);
  bool told = false;
  reader->run([] {}, [&] { told = true; }).reset();
  const auto next = reader->run([] {}, [&] { loop.post([&] { loop.stop(); }); });
  loop.run();
  EXPECT_FALSE(told);
}

TEST(FileReader, MayGoBeforeItsWorkIsDone) {
  auto gate = std::make_shared<std::promise<void>>();
  std::shared_future<void> open = gate->get_future().share();
  auto owned = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = owned;
  {
    EventLoop loop;
    const auto reader = make_file_reader(loop);
    auto started = std::make_shared<std::promise<void>>();
    const auto reading = reader->run(
        [open, started, owned = std::move(owned)] {
          started->set_value();
          open.wait();
        },
        [] { FAIL(); });
    started->get_future().wait();  // cancelled work is not started
  }
  EXPECT_FALSE(watched.expired());
  gate->set_value();
  while (!watched.expired()) std::this_thread::yield();
}

TEST(ReadableFile, ReadsWhatIsInMemoryAndWhatIsNot) {
  std::string name = "/tmp/sallyport-read-XXXXXX";
  UniqueFd fd(::mkstemp(name.data()));
  ASSERT_TRUE(fd);
  ::unlink(name.c_str());
  const std::string content(300'000, 'x');
  ASSERT_EQ(::write(fd.get(), content.data(), content.size()), 300'000);
  const ReadableFile file(std::move(fd));
  EXPECT_TRUE(file.is_local());
  std::array<std::uint8_t, 1000> buffer;
  EXPECT_EQ(file.read_now(buffer, 0), 1000u);
  EXPECT_EQ(file.read_now(buffer, 299'500), 500u);
  EXPECT_EQ(file.read_now(buffer, 300'000), 0u);
  EXPECT_EQ(file.read(buffer, 299'500), 500u);
  EXPECT_EQ(file.read(buffer, 300'000), 0u);

  // Out of the page cache, where there is one: now it waits, and then it is there again.
  ::fsync(file.fd());
  ::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
  const auto now = file.read_now(buffer, 0);
  EXPECT_TRUE(now || now.error() == EAGAIN);
  EXPECT_EQ(file.read(buffer, 0), 1000u);
  EXPECT_EQ(file.read_now(buffer, 0), 1000u);

  const ReadableFile folder(UniqueFd(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  EXPECT_EQ(folder.read(buffer, 0), std::unexpected(EISDIR));
}

}  // namespace
}  // namespace sallyport::net
