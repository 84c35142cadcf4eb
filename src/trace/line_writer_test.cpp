#include "trace/line_writer.h"

#include "trace/test_folder.h"

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::trace {
namespace {

/// A sink controlled by the test.
class FakeSink final : public LineSink {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::string text;                  ///< the written text
    std::size_t room = 1'000'000'000;  ///< takes so many bytes more
    int error = 0;                     ///< the error when there is no room
    int refusals = 0, reopened = 0;
    bool other_file = true;

    void set(std::size_t more, int then) {
      const std::lock_guard lock(mutex);
      room = more;
      error = then;
    }
    void wait(const std::function<bool()>& holds) {
      std::unique_lock lock(mutex);
      changed.wait(lock, holds);
    }
    std::string now() {
      const std::lock_guard lock(mutex);
      return text;
    }
  };
  explicit FakeSink(State& state) : state_(state) {}
  Written write(std::string_view text, Duration) override {
    const std::lock_guard lock(state_.mutex);
    const std::size_t taken = std::min(text.size(), state_.room);
    state_.text += text.substr(0, taken);
    state_.room -= taken;
    if (taken == 0) ++state_.refusals;
    state_.changed.notify_all();
    return {taken, taken > 0 ? 0 : state_.error};
  }
  Result<bool> reopen() override {
    const std::lock_guard lock(state_.mutex);
    ++state_.reopened;
    state_.text += "|";
    state_.changed.notify_all();
    return state_.other_file;
  }
  const std::string& name() const override { return name_; }

 private:
  State& state_;
  const std::string name_ = "fake.log";
};

void as_text_of(Bytes record, std::string& out) {
  out += as_text(record);
}

struct Bench {
  explicit Bench(LineWriterOptions options = {.queue_bytes = 4096, .interval = 1ms, .patience_at_end = 0s})
      : writer(
            std::make_unique<LineWriter>("test log", std::make_unique<FakeSink>(state), as_text_of, options)),
        queue(&writer->add_queue()) {}
  bool say(std::string_view text) {
    std::uint8_t* const room = queue->reserve(text.size());
    if (room == nullptr) return false;
    copy_bytes(as_bytes(text), room);
    queue->commit(text.size());
    return true;
  }
  void wait_for(std::string_view text) {
    state.wait([&] { return state.text == text; });
  }

  FakeSink::State state;
  std::unique_ptr<LineWriter> writer;
  LineQueue* queue;
};

TEST(LineWriter, WritesEachRecordAsALineAndAllOfThemAtTheEnd) {
  Bench bench;
  bench.say("one");
  bench.wait_for("one\n");  // without a further record
  bench.say("two");
  bench.say("three");
  bench.writer.reset();
  EXPECT_EQ(bench.state.text, "one\ntwo\nthree\n");
}

TEST(LineWriter, WakesForTheFirstLineAfterASilence) {
  Bench bench;
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    while (!bench.queue->is_awaited()) std::this_thread::yield();
    const std::string line = std::to_string(i);
    bench.say(line);
    expected += line + "\n";
    bench.wait_for(expected);
  }
}

TEST(LineWriter, LinesOfSeveralThreadsAreAllThereAndWhole) {
  Bench bench({.queue_bytes = 1024 * 1024, .interval = 1ms, .patience_at_end = 0s});
  constexpr int threads = 4, lines = 2000;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&bench, &mine = bench.writer->add_queue(), t] {
      static_cast<void>(bench);
      const std::string line(static_cast<std::size_t>(t + 1) * 7, static_cast<char>('a' + t));
      for (int i = 0; i < lines; ++i) {
        std::uint8_t* const room = mine.reserve(line.size());
        ASSERT_NE(room, nullptr);
        copy_bytes(as_bytes(line), room);
        mine.commit(line.size());
      }
    });
  for (std::thread& each : all) each.join();
  bench.writer.reset();
  std::map<std::string, int> found;
  for (std::size_t at = 0; at < bench.state.text.size();) {
    const std::size_t end = bench.state.text.find('\n', at);
    ++found[bench.state.text.substr(at, end - at)];
    at = end + 1;
  }
  EXPECT_EQ(found.size(), std::size_t{threads});
  for (const auto& [line, count] : found) EXPECT_EQ(count, lines) << line;
}

TEST(LineWriter, AStuckSinkCostsLinesAndNobodyWaits) {
  Bench bench;
  bench.state.set(0, EAGAIN);
  int taken = 0;
  while (bench.say(std::string(100, 'x'))) ++taken;  // fills the queue, and what the writer holds
  for (int i = 0; i < 10; ++i) bench.say(std::string(100, 'x'));
  EXPECT_GE(bench.writer->counters().dropped_queue, 1u);
  EXPECT_EQ(bench.writer->counters().written, 0u);
  const auto dropped = bench.writer->counters().dropped_queue;
  // Once it is writable again, the kept lines and new lines are written.
  bench.state.set(1'000'000'000, 0);
  bench.state.wait([&] { return bench.state.text.size() >= static_cast<std::size_t>(taken) * 101; });
  EXPECT_EQ(bench.writer->counters().dropped_queue, dropped);
  EXPECT_EQ(bench.writer->counters().dropped_write, 0u);
}

TEST(LineWriter, ASinkThatIsStuckAtTheEndIsNotWaitedForAndWhatIsLostIsCounted) {
  testing::internal::CaptureStderr();
  Bench bench;
  bench.state.set(0, EAGAIN);
  for (int i = 0; i < 3; ++i) bench.say("lost");
  bench.writer.reset();
  EXPECT_EQ(bench.state.text, "");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("the test log fake.log accepts no writes: its last 3 lines are dropped"),
            std::string::npos)
      << log;
}

TEST(LineWriter, AFullDiskCostsLinesIsSaidOnceAndALineThatWasCutIsEnded) {
  testing::internal::CaptureStderr();
  Bench bench;
  bench.say("first");
  bench.wait_for("first\n");
  bench.state.set(3, ENOSPC);
  bench.say("cut here");
  bench.state.wait([&] { return bench.state.refusals > 0; });
  while (bench.writer->counters().dropped_write == 0) std::this_thread::yield();
  bench.say("lost");
  while (bench.writer->counters().dropped_write < 2) std::this_thread::yield();
  EXPECT_EQ(bench.state.now(), "first\ncut");
  bench.state.set(1'000'000'000, 0);
  bench.say("next");
  bench.writer.reset();
  EXPECT_EQ(bench.state.text, "first\ncut\nnext\n");
  const std::string log = testing::internal::GetCapturedStderr();
  const std::string words =
      "cannot write the test log fake.log: No space left on device; 1 lines dropped so far";
  EXPECT_NE(log.find(words), std::string::npos) << log;
  EXPECT_EQ(log.find("dropped so far", log.find(words) + words.size()), std::string::npos) << log;
}

TEST(LineWriter, ALineTakenInPiecesIsOneLine) {
  Bench bench;
  bench.state.set(3, EAGAIN);
  bench.say("in pieces");
  bench.state.wait([&] { return bench.state.text == "in " && bench.state.refusals > 0; });
  bench.state.set(1'000'000'000, 0);
  bench.wait_for("in pieces\n");
  while (bench.writer->counters().written == 0) std::this_thread::yield();
  EXPECT_EQ(bench.writer->counters().written, 1u);
  EXPECT_EQ(bench.writer->counters().dropped_write, 0u);
}

TEST(LineWriter, OpensAgainBehindWhatWasSaid) {
  Bench bench;
  bench.say("old");
  bench.writer->reopen();
  bench.state.wait([&] { return bench.state.reopened == 1; });
  bench.say("new");
  bench.writer.reset();
  EXPECT_EQ(bench.state.text, "old\n|new\n");
}

TEST(LineWriter, ALineBegunInTheOldFileIsNotEndedInTheNewOne) {
  Bench bench;
  bench.state.set(3, EAGAIN);
  bench.say("begun");
  bench.state.wait([&] { return bench.state.refusals > 0; });
  bench.writer->reopen();
  bench.state.wait([&] { return bench.state.reopened == 1; });
  bench.state.set(1'000'000'000, 0);
  bench.say("new");
  bench.writer.reset();
  EXPECT_EQ(bench.state.text, "beg|new\n");
}

class FileSinkTest : public testing::Test {
 protected:
  std::unique_ptr<LineSink> open(const std::string& file) {
    auto sink = FileSink::open(file, "--access-log");
    EXPECT_TRUE(sink) << sink.error().message;
    return std::move(*sink);
  }
  test::Folder folder;
  const std::string path = folder.path() + "/a.log";
};

TEST_F(FileSinkTest, AppendsForItsOwnerAndGroupOnly) {
  {
    std::ofstream(path) << "before\n";
  }
  const auto sink = open(path);
  EXPECT_EQ(sink->write("after\n", 0s).bytes, 6u);
  EXPECT_EQ(test::content_of(path), "before\nafter\n");
  const auto fresh = open(folder.path() + "/b.log");
  struct stat status{};
  ASSERT_EQ(::stat((folder.path() + "/b.log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0137, 0u);  // nobody else, and nothing but reading and writing
}

TEST_F(FileSinkTest, OpensWhatIsUnderTheNameNow) {
  const auto sink = open(path);
  sink->write("one\n", 0s);
  EXPECT_FALSE(sink->reopen().value());
  ASSERT_EQ(::rename(path.c_str(), (path + ".1").c_str()), 0);
  sink->write("two\n", 0s);
  EXPECT_TRUE(sink->reopen().value());
  sink->write("three\n", 0s);
  EXPECT_EQ(test::content_of(path + ".1"), "one\ntwo\n");
  EXPECT_EQ(test::content_of(path), "three\n");
}

TEST_F(FileSinkTest, ANameThatCannotBeOpenedAgainLeavesTheOldFile) {
  const auto sink = open(path);
  ASSERT_EQ(::rename(path.c_str(), (path + ".1").c_str()), 0);
  ASSERT_EQ(::mkdir(path.c_str(), 0755), 0);
  EXPECT_FALSE(sink->reopen());
  sink->write("still\n", 0s);
  EXPECT_EQ(test::content_of(path + ".1"), "still\n");
}

TEST_F(FileSinkTest, SaysInOneSentenceWhatCannotBeOpened) {
  const auto none = FileSink::open(folder.path() + "/none/a.log", "--access-log");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message,
            "--access-log " + folder.path() +
                "/none/a.log cannot be opened for appending: No such file or directory");
  EXPECT_EQ(FileSink::check(folder.path() + "/none/a.log", "--access-log").error().message,
            none.error().message);
  EXPECT_TRUE(FileSink::check(folder.path() + "/a.log", "--access-log"));
  EXPECT_TRUE(FileSink::check("-", "--access-log"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  const std::string fifo = folder.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const auto unread = FileSink::open(fifo, "--access-log");
  ASSERT_FALSE(unread);
  EXPECT_NE(unread.error().message.find("without a reader"), std::string::npos);
}

TEST_F(FileSinkTest, ATightPipeTakesWholeLinesOrSaysThatItTakesNone) {
  const std::string fifo = folder.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd reader(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK));
  const auto sink = open(fifo);
  const std::string line = std::string(999, 'x') + "\n";
  std::string much;
  for (int i = 0; i < 100; ++i) much += line;
  std::size_t done = 0;
  for (;;) {
    const auto [bytes, error] = sink->write(std::string_view(much).substr(done), 0s);
    EXPECT_EQ(bytes % line.size(), 0u);
    done += bytes;
    if (error != 0) {
      EXPECT_EQ(error, EAGAIN);
      break;
    }
    ASSERT_LT(done, much.size());
  }
  EXPECT_GT(done, 0u);
}

}  // namespace
}  // namespace sallyport::trace
