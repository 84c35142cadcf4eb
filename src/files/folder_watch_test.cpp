#include "files/folder_watch.h"

#include "base/log.h"
#include "files/file_server_for_test.h"

#include <filesystem>

#include <gtest/gtest.h>

namespace sallyport::files {
namespace {

class FolderWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::off);
    folder.write("one/a", "one");
    folder.write("two/a", "two");
  }
  void TearDown() override { set_log_level(LogLevel::info); }
  void watch(const std::string& name) {
    served = ServedFolder::open(folder / name).value();
    auto made = std::make_unique<ReaderForTest>();
    reader = made.get();
    watching = std::make_unique<FolderWatch>(
        std::move(made), timers, folder / name, served,
        [this](const std::shared_ptr<const ServedFolder>& opened) { served = opened, ++handed_out; });
  }
  /// The look that is due a second after the last.
  void look() {
    timers.advance(timers.now() + 1s);
    ASSERT_EQ(reader->jobs.size(), 1u);
    reader->run_one();
  }
  std::string content() {
    const auto file = served->open_file("a", MayWait::yes);
    if (!file) return "(none)";
    std::string text(file->identity.size, '\0');
    EXPECT_EQ(::read(file->fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    return text;
  }

  FolderForTest folder;
  net::Timers timers{Time(100s)};
  std::shared_ptr<const ServedFolder> served;
  ReaderForTest* reader = nullptr;
  std::unique_ptr<FolderWatch> watching;
  int handed_out = 0;
};

TEST_F(FolderWatchTest, SeesAFolderThatWasDeletedAndMadeAgain) {
  watch("one");
  std::filesystem::remove_all(folder / "one");
  folder.write("one/a", "again");
  EXPECT_EQ(content(), "(none)");
  look();
  EXPECT_EQ(content(), "again");
  EXPECT_EQ(watching->counters().used, 1u);
}

TEST_F(FolderWatchTest, SeesALinkThatLeadsToAnotherRelease) {
  std::filesystem::create_directory_symlink("one", folder / "current");
  watch("current");
  EXPECT_EQ(content(), "one");
  std::filesystem::create_directory_symlink("two", folder / "next");
  std::filesystem::rename(folder / "next", folder / "current");
  look();
  EXPECT_EQ(content(), "two");
}

TEST_F(FolderWatchTest, SaysNothingOfAFolderThatIsTheSame) {
  watch("one");
  folder.write("one/b", "");
  look();
  look();
  EXPECT_EQ(handed_out, 0);
  EXPECT_EQ(watching->counters().used, 0u);
}

TEST_F(FolderWatchTest, KeepsTheFolderWhileThereIsNone) {
  watch("one");
  std::filesystem::rename(folder / "one", folder / "away");
  look();
  look();
  EXPECT_EQ(handed_out, 0);
  EXPECT_EQ(content(), "one");
  EXPECT_EQ(watching->counters().failed, 1u);
  std::filesystem::rename(folder / "two", folder / "one");
  look();
  EXPECT_EQ(content(), "two");
  std::filesystem::remove_all(folder / "one");
  folder.write("one", "no folder");
  look();
  EXPECT_EQ(watching->counters().failed, 2u);
  EXPECT_EQ(watching->counters().used, 1u);
}

TEST_F(FolderWatchTest, OpensItAgainWhenToldTo) {
  watch("one");
  watching->open_again();
  watching->open_again();
  ASSERT_EQ(reader->jobs.size(), 1u);
  reader->run_one();
  EXPECT_EQ(handed_out, 1);
  // Called during a check, whose result may be outdated then.
  ASSERT_EQ(reader->jobs.size(), 1u);
  reader->run_one();
  EXPECT_EQ(handed_out, 2);
  EXPECT_TRUE(reader->jobs.empty());
  EXPECT_EQ(watching->counters().used, 0u);
}

TEST_F(FolderWatchTest, LooksASecondAfterItBeganAndASecondAfterEachLook) {
  watch("one");
  for (int look = 0; look < 3; ++look) {
    timers.advance(timers.now() + 999ms);
    EXPECT_TRUE(reader->jobs.empty());
    timers.advance(timers.now() + 1ms);
    ASSERT_EQ(reader->jobs.size(), 1u);
    reader->run_one();
  }
}

TEST_F(FolderWatchTest, OneLookAtATime) {
  watch("one");
  timers.advance(timers.now() + 1s);
  timers.advance(timers.now() + 10s);
  watching->open_again();
  EXPECT_EQ(reader->jobs.size(), 1u);
}

}  // namespace
}  // namespace sallyport::files
