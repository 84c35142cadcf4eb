#include "client/output.h"

#include "base/file.h"
#include "base/folder_for_test.h"
#include "client/content_range.h"
#include "client/output_place.h"
#include "client/stream_output.h"
#include "net/event_loop.h"

#include <csignal>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::client {
namespace {

using testing::ElementsAre;

void write(const std::string& path, std::string_view content) {
  ASSERT_TRUE(write_file(path, content, 0644, IfExists::replace));
}

TEST(ByteRanges, JoinsWhatTouchesAndKeepsOrder) {
  std::vector<ByteRange> ranges;
  add_range(ranges, {10, 20});
  add_range(ranges, {30, 40});
  add_range(ranges, {0, 5});
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 5}, ByteRange{10, 20}, ByteRange{30, 40}));
  add_range(ranges, {20, 30});
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 5}, ByteRange{10, 40}));
  add_range(ranges, {3, 12});
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 40}));
  add_range(ranges, {7, 7});
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 40}));
}

TEST(ByteRanges, FindsWhatIsMissing) {
  EXPECT_THAT(missing_ranges({}, 10), ElementsAre(ByteRange{0, 10}));
  EXPECT_THAT(missing_ranges({{2, 4}, {6, 10}}, 10), ElementsAre(ByteRange{0, 2}, ByteRange{4, 6}));
  EXPECT_TRUE(missing_ranges({{0, 10}}, 10).empty());
}

TEST(ContentRange, TakesOnlyWhatTheRfcAllows) {
  const auto range = parse_content_range("bytes 0-99/1234");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->range, (ByteRange{0, 100}));
  EXPECT_EQ(range->size, 1234u);
  EXPECT_EQ(parse_content_range("Bytes 0-99/1234")->size, 1234u) << "units are case-insensitive";
  EXPECT_EQ(parse_content_range("bytes 5-99/*")->range, (ByteRange{5, 100}));
  EXPECT_EQ(parse_content_range("bytes 5-99/*")->size, std::nullopt);
  for (const char* bad : {"bytes */1234", "bytes 9-5/*", "Byte 0-9/10", "items 0-9/10", "bytes 100-99/1234",
                          "bytes 0-1234/1234", "bytes=0-9/10", "", "bytes 0-9", "bytes -1-9/10",
                          "bytes 0-99999999999999999999/1"})
    EXPECT_FALSE(parse_content_range(bad)) << bad;
  EXPECT_FALSE(parse_content_range("bytes 0-18446744073709551615/*"));
}

TEST(Output, TakesItsNameOnlyWhenWhole) {
  const FolderForTest folder;
  auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE(output) << output.error().message;
  ASSERT_TRUE((*output)->write_at(3, as_bytes("def")));
  ASSERT_TRUE((*output)->write_at(0, as_bytes("abc")));
  EXPECT_FALSE(std::filesystem::exists(folder / "file"));
  ASSERT_TRUE((*output)->complete());
  EXPECT_EQ(folder.content("file"), "abcdef");
  EXPECT_FALSE(std::filesystem::exists(folder / "file.part"));
}

TEST(Output, SaysThatAFileThatIsThereIsDownloadedAgain) {
  const FolderForTest folder;
  EXPECT_EQ((*open_output(folder / "file", "https://a/", true))->why_from_start(), "");
  write(folder / "file", "old");
  EXPECT_THAT((*open_output(folder / "file", "https://a/", true))->why_from_start(),
              testing::HasSubstr("file.part' to go on with"));
  EXPECT_EQ((*open_output(folder / "file", "https://a/", false))->why_from_start(), "");
}

TEST(Output, RemembersWhereItStoppedForTheSameUrlOnly) {
  const FolderForTest folder;
  {
    auto output = open_output(folder / "file", "https://a/", false);
    ASSERT_TRUE((*output)->write_at(0, as_bytes("abc")));
    (*output)->note_progress({"\"tag\"", 6, {{0, 3}}}, true);
    EXPECT_EQ((*output)->kept_bytes(), 3u);
  }
  {
    auto other = open_output(folder / "file", "https://b/", true);
    EXPECT_TRUE((*other)->earlier().done.empty());
    EXPECT_EQ((*other)->kept_bytes(), 0u);
    EXPECT_THAT((*other)->why_from_start(),
                testing::HasSubstr("file.part.json' tells what of this URL it has"));
  }
  auto output = open_output(folder / "file", "https://a/", true);
  const PartState state = (*output)->earlier();
  EXPECT_EQ((*output)->why_from_start(), "");
  EXPECT_EQ(state.validator, "\"tag\"");
  EXPECT_EQ(state.size, 6u);
  EXPECT_THAT(state.done, ElementsAre(ByteRange{0, 3}));
  ASSERT_TRUE((*output)->write_at(3, as_bytes("def")));
  ASSERT_TRUE((*output)->complete());
  EXPECT_EQ(folder.content("file"), "abcdef");
  EXPECT_FALSE(std::filesystem::exists(folder / "file.part.json"));
}

// As one that is killed leaves it: bytes that no state tells of.
TEST(Output, NotesEachFewMiBWhatCame) {
  const FolderForTest folder;
  constexpr std::uint64_t size = 40 << 20, piece = 1 << 20, often = 4 << 20;
  std::uint64_t noted = 0;
  {
    auto output = open_output(folder / "file", "https://a/", false);
    const std::vector<std::uint8_t> bytes(piece, 'x');
    for (std::uint64_t at = 0; at < size - piece; at += piece) {
      ASSERT_TRUE((*output)->write_at(at, bytes));
      (*output)->note_progress({"\"tag\"", size, {{0, at + piece}}}, false);
      EXPECT_LT(at + piece - (*output)->kept_bytes(), often);
    }
    noted = (*output)->kept_bytes();
  }
  auto output = open_output(folder / "file", "https://a/", true);
  EXPECT_THAT((*output)->earlier().done, ElementsAre(ByteRange{0, noted}));
  EXPECT_EQ((*output)->untold_bytes(), size - piece - noted);
  EXPECT_EQ((*open_output(folder / "other", "https://a/", true))->untold_bytes(), 0u);
}

TEST(Output, DoesNotBelieveAStateThatPromisesMoreThanTheFileHolds) {
  const FolderForTest folder;
  {
    auto output = open_output(folder / "file", "https://a/", false);
    ASSERT_TRUE((*output)->write_at(0, as_bytes("abc")));
    (*output)->note_progress({"\"tag\"", 6, {{0, 3}, {4, 6}}}, true);
  }
  auto output = open_output(folder / "file", "https://a/", true);
  EXPECT_THAT((*output)->earlier().done, ElementsAre(ByteRange{0, 3}));
}

// As a power cut leaves it: the size is there, some of the blocks are not.
TEST(Output, DoesNotBelieveAStateThatPromisesWhatIsAHole) {
  const FolderForTest folder;
  constexpr std::uint64_t mib = 1 << 20;
  const std::string block(mib, 'x');
  {
    auto output = open_output(folder / "file", "https://a/", false);
    ASSERT_TRUE((*output)->write_at(mib, as_bytes(block)));
    ASSERT_TRUE((*output)->write_at(4 * mib, as_bytes(block)));
    (*output)->note_progress({"\"tag\"", 9 * mib, {{0, 3 * mib}, {3 * mib + 7, 6 * mib}}}, true);
  }
  ASSERT_EQ(::truncate((folder / "file.part").c_str(), 5 * mib - 5), 0);
  auto output = open_output(folder / "file", "https://a/", true);
  EXPECT_THAT((*output)->earlier().done,
              ElementsAre(ByteRange{mib, 2 * mib}, ByteRange{4 * mib, 5 * mib - 5}));
  EXPECT_EQ((*output)->kept_bytes(), 2 * mib - 5);
}

TEST(Output, TouchesWhatIsThereOnlyWhenSomethingComes) {
  const FolderForTest folder;
  {
    auto output = open_output(folder / "file", "https://a/", false);
    ASSERT_TRUE((*output)->write_at(0, as_bytes("abcdef")));
    (*output)->note_progress({"\"tag\"", 9, {{0, 6}}}, true);
  }
  {
    auto nothing_came = open_output(folder / "file", "https://a/", false);
  }
  EXPECT_EQ(folder.content("file.part"), "abcdef");
  EXPECT_EQ((*open_output(folder / "file", "https://a/", true))->kept_bytes(), 6u);
  auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE((*output)->write_at(0, as_bytes("x")));
  EXPECT_EQ(folder.content("file.part"), "x");
  EXPECT_FALSE(std::filesystem::exists(folder / "file.part.json"));
}

TEST(Output, StartingOverKeepsWhatIsThereUntilSomethingComes) {
  const FolderForTest folder;
  {
    auto output = open_output(folder / "file", "https://a/", false);
    ASSERT_TRUE((*output)->write_at(0, as_bytes("abcdef")));
    (*output)->note_progress({"\"tag\"", 9, {{0, 6}}}, true);
  }
  {
    auto output = open_output(folder / "file", "https://a/", true);
    ASSERT_TRUE((*output)->truncate());
    (*output)->note_progress({"\"new\"", 5, {}}, true);
    EXPECT_EQ((*output)->kept_bytes(), 6u);
  }
  auto output = open_output(folder / "file", "https://a/", true);
  EXPECT_EQ((*output)->earlier().validator, "\"tag\"");
  ASSERT_TRUE((*output)->truncate());
  ASSERT_TRUE((*output)->write_at(0, as_bytes("new")));
  EXPECT_EQ((*output)->kept_bytes(), 0u);
  ASSERT_TRUE((*output)->complete());
  EXPECT_EQ(folder.content("file"), "new");
}

TEST(Output, LeavesNothingWhereNothingCame) {
  const FolderForTest folder;
  {
    auto output = open_output(folder / "file", "https://a/", false);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "file.part"));
  auto empty = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE((*empty)->complete());
  empty->reset();
  EXPECT_EQ(std::filesystem::file_size(folder / "file"), 0u);
}

TEST(Output, WritesItsStateInPlaceWhereThereIsNoRoomForASecondFile) {
  const FolderForTest folder;
  auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE((*output)->write_at(0, as_bytes(std::string(3000, 'x'))));
  (*output)->note_progress({"\"tag\"", 9000, {{0, 1}, {2, 3}, {4, 5}}}, true);
  // A folder under the name of the next state's file stands for the full disk.
  const std::string next = folder / ("file.part.json.part-" + std::to_string(::getpid()));
  std::filesystem::create_directories(next + "/x");
  (*output)->note_progress({"\"tag\"", 9000, {{0, 6}}}, true);
  EXPECT_EQ((*output)->kept_bytes(), 6u);
  output->reset();
  output = open_output(folder / "file", "https://a/", true);
  EXPECT_THAT((*output)->earlier().done, ElementsAre(ByteRange{0, 6}));
  // Where there is no room for that either, the last one stays.
  PartState large{"\"tag\"", 9000, {}};
  for (std::uint64_t i = 0; i < 1000; ++i) large.done.push_back({3 * i, 3 * i + 2});
  (*output)->note_progress(large, true);
  EXPECT_EQ((*output)->kept_bytes(), 6u);
  output->reset();
  EXPECT_THAT((*open_output(folder / "file", "https://a/", true))->earlier().done,
              ElementsAre(ByteRange{0, 6}));
}

TEST(Output, ASlowReaderOfAPipeHoldsUpNobody) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  net::EventLoop loop;
  auto output = make_stream_output(UniqueFd(ends[1]), ends[1], "a pipe", &loop);
  int drained = 0;
  output->set_drained_handler([&] {
    ++drained;
    loop.stop();
  });
  const std::string sent(1024 * 1024, 'x');
  ASSERT_TRUE(output->write_at(0, as_bytes(sent)));
  EXPECT_GT(output->queued_bytes(), 0u);
  EXPECT_FALSE(output->seekable());
  EXPECT_EQ(::fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0) << "others may write there too";
  std::string received;
  std::thread reading([&] {
    std::vector<char> buffer(64 * 1024);
    while (received.size() < sent.size()) {
      const ssize_t n = ::read(reader.get(), buffer.data(), buffer.size());
      if (n <= 0) break;
      received.append(buffer.data(), static_cast<std::size_t>(n));
    }
  });
  loop.run();
  reading.join();
  EXPECT_EQ(drained, 1);
  EXPECT_EQ(output->queued_bytes(), 0u);
  EXPECT_EQ(received, sent);
  EXPECT_TRUE(output->complete());
}

TEST(Output, SaysThatThePipesReaderIsGone) {
  ::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd reader(ends[0]);
  net::EventLoop loop;
  auto output = make_stream_output(UniqueFd(ends[1]), ends[1], "a pipe", &loop);
  output->set_drained_handler([&] { loop.stop(); });
  ASSERT_TRUE(output->write_at(0, as_bytes(std::string(1024 * 1024, 'x'))));
  reader.reset();
  loop.run();
  EXPECT_EQ(output->queued_bytes(), 0u);
  const auto written = output->write_at(0, {});
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, testing::HasSubstr("a pipe"));
  EXPECT_FALSE(output->complete());
}

TEST(Output, SaysWhichFileAndWhy) {
  auto output = open_output("/nonexistent/folder/file", "https://a/", false);
  ASSERT_FALSE(output);
  EXPECT_THAT(output.error().message, testing::HasSubstr("/nonexistent/folder/file.part"));
  auto folder = open_output("/tmp", "https://a/", false);
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message, testing::HasSubstr("is a directory"));
}

// One .part for two would be neither's file.
TEST(Output, IsForOneDownloadAtATime) {
  const FolderForTest folder;
  auto first = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE(first);
  ASSERT_TRUE((*first)->write_at(0, as_bytes("first")));
  for (const char* name : {"file", "./file"}) {
    const auto second = open_output(folder / name, "https://a/", false);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, testing::HasSubstr("another download writes to"));
  }
  ASSERT_TRUE((*first)->complete());
  auto third = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE(third) << third.error().message;
  ASSERT_TRUE((*third)->write_at(0, as_bytes("third")));
  EXPECT_EQ(folder.content("file"), "first");
}

TEST(Output, FollowsLinksAndKeepsTheMode) {
  const FolderForTest folder;
  std::filesystem::create_directory(folder / "below");
  write(folder / "below/target", "old");
  ASSERT_EQ(::chmod((folder / "below/target").c_str(), 0600), 0);
  std::filesystem::create_symlink("below/target", folder / "link");
  std::filesystem::create_symlink("link", folder / "to-link");
  std::filesystem::create_symlink("below/new", folder / "dangling");
  for (const char* name : {"link", "to-link", "dangling"}) {
    auto output = open_output(folder / name, "https://a/", false);
    ASSERT_TRUE(output) << output.error().message;
    ASSERT_TRUE((*output)->write_at(0, as_bytes(name)));
    EXPECT_THAT((*output)->partial_path(), testing::HasSubstr("below/"));
    ASSERT_TRUE((*output)->complete());
    EXPECT_TRUE(std::filesystem::is_symlink(folder / name));
    EXPECT_EQ(folder.content(name), name);
  }
  struct stat info{};
  ASSERT_EQ(::stat((folder / "below/target").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  std::filesystem::create_symlink("loop", folder / "loop");
  const auto loop = open_output(folder / "loop", "https://a/", false);
  ASSERT_FALSE(loop);
  EXPECT_THAT(loop.error().message, testing::HasSubstr("loop"));
}

TEST(Output, WhatIsPrivateIsSoWhileItComes) {
  const FolderForTest folder;
  write(folder / "file", "old");
  ASSERT_EQ(::chmod((folder / "file").c_str(), 0600), 0);
  auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE((*output)->write_at(0, as_bytes("new")));
  (*output)->note_progress({"\"tag\"", 9, {{0, 3}}}, true);
  for (const char* name : {"file.part", "file.part.json"}) {
    struct stat info{};
    ASSERT_EQ(::stat((folder / name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 077, 0u) << name;
  }
}

// In a folder that others can write to, a .part may be anybody's.
TEST(Output, FollowsNoLinkThatStandsInThePartsPlace) {
  const FolderForTest folder;
  write(folder / "victim", "precious");
  std::filesystem::create_symlink("victim", folder / "file.part");
  const auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_FALSE(output);
  EXPECT_THAT(output.error().message, testing::HasSubstr("symbolic link"));
  EXPECT_EQ(folder.content("victim"), "precious");
}

// Content from the network is not to run with the rights of the file's owner.
TEST(Output, SetUserIdIsNotForWhatComes) {
  const FolderForTest folder;
  write(folder / "file", "old");
  ASSERT_EQ(::chmod((folder / "file").c_str(), 06755), 0);
  auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE((*output)->write_at(0, as_bytes("new")));
  ASSERT_TRUE((*output)->complete());
  struct stat info{};
  ASSERT_EQ(::stat((folder / "file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
}

TEST(Output, WritesToNoPartThatIsAlsoAnotherFile) {
  const FolderForTest folder;
  write(folder / "victim", "precious");
  std::filesystem::create_hard_link(folder / "victim", folder / "file.part");
  const auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_FALSE(output);
  EXPECT_THAT(output.error().message,
              testing::AllOf(testing::HasSubstr(folder / "file.part"), testing::HasSubstr("hard link"),
                             testing::EndsWith("remove it")));
  EXPECT_EQ(folder.content("victim"), "precious");
}

TEST(Output, WritesToNoPartOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  const FolderForTest folder;
  write(folder / "file.part", "theirs");
  constexpr uid_t somebody = 12345;
  ASSERT_EQ(::chown((folder / "file.part").c_str(), somebody, static_cast<gid_t>(-1)), 0);
  const auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_FALSE(output);
  EXPECT_THAT(output.error().message,
              testing::AllOf(testing::HasSubstr(folder / "file.part"), testing::HasSubstr("another user's"),
                             testing::EndsWith("remove it")));
  EXPECT_EQ(folder.content("file.part"), "theirs");
}

TEST(Output, BelievesOnlyAStateOfItsOwn) {
  const FolderForTest folder;
  {
    auto output = open_output(folder / "file", "https://a/", false);
    ASSERT_TRUE((*output)->write_at(0, as_bytes("abc")));
    (*output)->note_progress({"\"tag\"", 6, {{0, 3}}}, true);
  }
  std::filesystem::rename(folder / "file.part.json", folder / "other");
  std::filesystem::create_symlink("other", folder / "file.part.json");
  EXPECT_EQ((*open_output(folder / "file", "https://a/", true))->kept_bytes(), 0u);
  std::filesystem::remove(folder / "file.part.json");
  std::filesystem::create_hard_link(folder / "other", folder / "file.part.json");
  EXPECT_EQ((*open_output(folder / "file", "https://a/", true))->kept_bytes(), 0u);
  std::filesystem::remove(folder / "other");
  EXPECT_EQ((*open_output(folder / "file", "https://a/", true))->kept_bytes(), 3u);
}

TEST(Output, WritesToOpenDescriptorsAndReplacesNone) {
  const FolderForTest folder;
  write(folder / "open", "before ");
  const UniqueFd fd(::open((folder / "open").c_str(), O_WRONLY | O_APPEND));  // as a shell leaves it to us
  const std::string path = "/dev/fd/" + std::to_string(fd.get());
  std::filesystem::create_symlink(path, folder / "link");
  for (const std::string& name : {path, "/proc/self/fd/" + std::to_string(fd.get()), folder / "link"}) {
    auto output = open_output(name, "https://a/", false);
    ASSERT_TRUE(output) << output.error().message;
    EXPECT_FALSE((*output)->seekable());
    ASSERT_TRUE((*output)->write_at(0, as_bytes("after")));
    ASSERT_TRUE((*output)->complete());
  }
  EXPECT_EQ(folder.content("open"), "before afterafterafter");
  for (const char* standard : {"-", "/dev/stdout", "/dev/fd/1", "//dev/./stdout"})
    EXPECT_EQ(find_place(standard)->descriptor, STDOUT_FILENO) << standard;
  const UniqueFd ours(::open((folder / "open").c_str(), O_WRONLY | O_CLOEXEC));
  const UniqueFd read_only(::open((folder / "open").c_str(), O_RDONLY));
  for (const int number : {ours.get(), read_only.get(), 1000})
    EXPECT_FALSE(open_output("/dev/fd/" + std::to_string(number), "https://a/", false)) << number;
}

TEST(Output, ALongNameHasAShortOneMeanwhile) {
  const FolderForTest folder;
  std::string letters;
  while (letters.size() < 240) letters += "\xc3\xa9";
  for (const std::size_t size : {240u, 255u}) {
    const std::string name = letters + std::string(size - letters.size(), 'x');
    {
      auto output = open_output(folder / name, "https://a/", false);
      ASSERT_TRUE(output) << output.error().message;
      ASSERT_TRUE((*output)->write_at(0, as_bytes("abc")));
      (*output)->note_progress({"\"tag\"", 6, {{0, 3}}}, true);
      EXPECT_EQ((*output)->kept_bytes(), 3u);
    }
    auto output = open_output(folder / name, "https://a/", true);
    EXPECT_EQ((*output)->kept_bytes(), 3u);
    ASSERT_TRUE((*output)->write_at(3, as_bytes("def")));
    ASSERT_TRUE((*output)->complete());
    EXPECT_EQ(folder.content(name), "abcdef");
  }
  EXPECT_NE(part_names("/a/" + std::string(250, 'x') + "1").bytes,
            part_names("/a/" + std::string(250, 'x') + "2").bytes);
  const auto too_long = open_output(folder / std::string(256, 'x'), "https://a/", false);
  ASSERT_FALSE(too_long);
  EXPECT_THAT(too_long.error().message, testing::HasSubstr("name too long"));
  EXPECT_EQ(open_output("", "https://a/", false).error().kind, ErrorKind::usage);
}

TEST(Output, NamesThatOneDownloadTakesAreComparedAsFiles) {
  const FolderForTest folder;
  std::filesystem::create_directory_symlink(".", folder / "here");
  std::filesystem::create_symlink("file", folder / "link");
  const auto names = [&](const std::string& path) { return taken_names(*find_place(path)); };
  const auto file = names(folder / "file");
  EXPECT_THAT(file, testing::SizeIs(3));
  for (const char* same : {"./file", "here/file", "./here/./file", "link"})
    EXPECT_EQ(names(folder / same), file) << same;
  EXPECT_EQ(names(folder / "file.part").front(), file.at(1));
  EXPECT_EQ(names(folder / "file.part.json").front(), file.at(2));
}

}  // namespace
}  // namespace sallyport::client
