// Files that change while they are served: the file server never sends a state that is not on disk, or was
// there only briefly.
#include "files/file_server_for_test.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::files {
namespace {

using masque::ConnectionForTest;
using testing::HasSubstr;
using testing::Not;

// Issue: what cp -a or tar -x put in a file's place was never seen.
TEST_F(FileServerTest, AFileWrittenOverWithItsOldDateIsAnotherOne) {
  for (const std::size_t size : {std::size_t{4}, std::size_t{100'000}}) {
    folder.write("file", std::string(size, 'a'));
    const auto before = field(get("/file"), "etag");
    EXPECT_NE(before, "(none)");
    EXPECT_EQ(status(get("/file", {{"if-none-match", before}})), 304u);
    folder.write_over("file", std::string(size, 'b'));
    pass(2s);
    const auto& now = get("/file", {{"if-none-match", before}});
    EXPECT_EQ(status(now), 200u);
    EXPECT_TRUE(now.body == std::string(size, 'b'));
    EXPECT_NE(field(now, "etag"), before);
    EXPECT_EQ(field(ask("HEAD", "/file"), "etag"), field(now, "etag"));
    EXPECT_EQ(status(get("/file", {{"if-match", before}})), 412u);
    const auto& rest = get("/file", {{"range", "bytes=1-1"}, {"if-range", before}});
    EXPECT_EQ(status(rest), 200u);
    EXPECT_EQ(rest.body.size(), size);
  }
}

TEST_F(FileServerTest, ATransferOfAFileWrittenOverWithItsOldDateIsCut) {
  const auto write_over_after = [&](const std::string& path, std::size_t sent) {
    folder.write("large", pattern(600'000));
    auto& exchange = connection.receive({.path = path});
    if (sent == 0) exchange.queued = http::Exchange::high_water + 1;
    files->serve({exchange, {}});
    EXPECT_EQ(exchange.body.empty(), sent == 0);
    folder.write_over("large", std::string(600'000, 'x'));
    exchange.queued = 0;
    exchange.handler()->on_writable(exchange);
    exchange.handler()->on_writable(exchange);  // nothing follows the reset
    return exchange.resets.size() == 1 && !exchange.finished && pattern(600'000).starts_with(exchange.body);
  };
  EXPECT_TRUE(write_over_after("/large", 0));
  EXPECT_TRUE(write_over_after("/large?", 1));
  EXPECT_EQ(files->transfers().cut, 2u);
}

// All of these change its ctime, as does what it must not be taken for.
TEST_F(FileServerTest, ATransferGoesOnWhenOnlyNamesAndModeOfItsFileChange) {
  const auto content = pattern(600'000);
  const auto sent_while = [&](std::size_t queued, const auto& change) {
    folder.write("file", content);
    auto& exchange = connection.receive({.path = "/file"});
    exchange.queued = queued;
    files->serve({exchange, {}});
    change();
    exchange.queued = 0;
    while (!exchange.finished && exchange.resets.empty()) exchange.handler()->on_writable(exchange);
    return exchange.body == content;
  };
  for (const std::size_t queued : {std::size_t{0}, http::Exchange::high_water + 1}) {
    EXPECT_TRUE(sent_while(queued, [&] { std::filesystem::remove(folder / "file"); }));
    EXPECT_TRUE(sent_while(queued, [&] {
      std::filesystem::create_hard_link(folder / "file", folder / ("link" + std::to_string(queued)));
    }));
    EXPECT_TRUE(sent_while(queued, [&] {
      std::filesystem::permissions(folder / "file", std::filesystem::perms::owner_read,
                                   std::filesystem::perm_options::replace);
    }));
    std::filesystem::remove(folder / "file");
  }
  EXPECT_TRUE(sent_while(0, [&] { std::filesystem::rename(folder / "file", folder / "moved"); }));
}

TEST_F(FileServerTest, LooksAtAFileAgainAfterASecond) {
  folder.write("a", "old");
  EXPECT_EQ(get("/a").body, "old");
  pass(1s);
  EXPECT_EQ(get("/a").body, "old");
  folder.write("a", "newer");
  pass(900ms);
  EXPECT_EQ(get("/a").body, "old");
  pass(200ms);
  EXPECT_EQ(get("/a").body, "newer");
  std::filesystem::remove(folder / "a");
  pass(2s);
  EXPECT_EQ(status(get("/a")), 404u);
  EXPECT_EQ(files->cached(), 0u);
}

TEST_F(FileServerTest, AStateIsServedWithoutALookForNoLongerThanItWasSeen) {
  folder.write("a", "old");
  EXPECT_EQ(get("/a").body, "old");
  pass(100ms);
  EXPECT_EQ(get("/a").body, "old");
  folder.write("a", "newer");
  pass(99ms);
  EXPECT_EQ(get("/a").body, "old");
  pass(1ms);
  EXPECT_EQ(get("/a").body, "newer");
  folder.write("a", "newest");
  EXPECT_EQ(get("/a").body, "newest");
}

// Issue: it was served empty for up to a second.
TEST_F(FileServerTest, WhatASmallFileIsWhileItIsWrittenOverIsNotKept) {
  folder.write("a", "old");
  EXPECT_EQ(get("/a").body, "old");
  pass(1s);
  EXPECT_EQ(get("/a").body, "old");
  pass(1s);
  std::ofstream writer(folder / "a", std::ios::binary | std::ios::trunc);
  EXPECT_EQ(get("/a").body, "");
  writer << "ne" << std::flush;
  EXPECT_EQ(get("/a").body, "ne");
  writer << "w" << std::flush;
  EXPECT_EQ(field(ask("HEAD", "/a"), "content-length"), "3");
  EXPECT_EQ(get("/a", {{"range", "bytes=1-"}}).body, "ew");
}

TEST_F(FileServerTest, NeitherIsWhatWasThereBeforeItWasReadElsewhere) {
  serve({.reader = &reader});
  reader.all_on_disk = true;
  folder.write("a", "old");
  const auto& first = get("/a");
  // So long it waits for its turn, but the file need not have been the same for so long.
  pass(1s);
  reader.run_one();
  EXPECT_EQ(first.body, "old");
  reader.all_on_disk = false;
  if (!kernel_keeps_us_beneath()) GTEST_SKIP() << "no openat2 here";
  EXPECT_EQ(get("/a").body, "old");
  folder.write("a", "new");
  EXPECT_EQ(get("/a").body, "new");
}

// A folder's page lists its content, and is served while there is no index.html.
TEST_F(FileServerTest, AFoldersPageGoesWithTheFolder) {
  folder.write("sub/x", "");
  EXPECT_THAT(get("/sub/").body, HasSubstr("./x"));
  folder.write("sub/y", "");
  EXPECT_THAT(get("/sub/").body, HasSubstr("./y"));
  std::filesystem::remove(folder / "sub/x");
  EXPECT_THAT(get("/sub/").body, Not(HasSubstr("./x")));
  folder.write("sub/index.html", "<p>");
  EXPECT_EQ(get("/sub/").body, "<p>");
}

TEST_F(FileServerTest, AnIndexThatIsGoneIsNotKeptWhileTheFoldersPageIsMade) {
  if (!kernel_keeps_us_beneath()) GTEST_SKIP() << "no openat2 here";
  serve({.reader = &reader});
  folder.write("sub/index.html", "<p>");
  folder.write("sub/x", "");
  EXPECT_EQ(get("/sub/").body, "<p>");
  std::filesystem::remove(folder / "sub/index.html");
  EXPECT_FALSE(std::filesystem::exists(folder / "sub/index.html"));  // which the kernel remembers
  const auto gone = ServedFolder::open(folder.path()).value()->identify("sub/index.html", MayWait::no);
  const auto& page = get("/sub/");
  EXPECT_EQ(files->loading(), 1u);
  // Some file systems (tmpfs) have to be asked again for a name that is not there.
  EXPECT_EQ(files->cached(), gone == std::unexpected(EAGAIN) ? 1u : 0u);
  reader.run_one();
  EXPECT_THAT(page.body, HasSubstr("./x"));
}

TEST_F(FileServerTest, AFoldersPageIsMadeAgainAfterASecond) {
  folder.write("sub/x", "");
  EXPECT_THAT(get("/sub/").body, HasSubstr("<td>0</td>"));
  folder.write("sub/x", "hello");  // which does not change the folder
  pass(900ms);
  EXPECT_THAT(get("/sub/").body, HasSubstr("<td>0</td>"));
  pass(100ms);
  EXPECT_THAT(get("/sub/").body, HasSubstr("<td>5</td>"));
}

// Within a tick of the kernel's clock, another change would show nowhere.
TEST_F(FileServerTest, AFileThatChangedJustNowIsReadAgainAndHasNoTagThatCouldLie) {
  folder.write("small", "hello");
  folder.write("large", pattern(100'000));
  const auto changed = FileIdentity(folder.state("large")).changed;
  WallClockForTest::fixed = changed;
  EXPECT_EQ(field(get("/small"), "etag"), content_etag(as_bytes("hello")));
  const auto& young = get("/large");
  EXPECT_EQ(field(young, "etag"), "(none)");
  EXPECT_TRUE(young.body == pattern(100'000));
  EXPECT_EQ(status(get("/large", {{"if-none-match", "\"\""}})), 200u);
  EXPECT_EQ(field(get("/large", {{"range", "bytes=0-1"}}), "etag"), "(none)");
  WallClockForTest::fixed = FileTime{changed.seconds + 1, changed.nanoseconds};
  EXPECT_NE(field(get("/large"), "etag"), "(none)");
}

// It may change again within the second that Last-Modified names, so that the date would not tell the states
// apart.
TEST_F(FileServerTest, AFileThatChangesJustNowHasNoDate) {
  folder.write("a", "hello", 0);
  folder.set_date("a", 1'800'000'000);
  WallClockForTest::fixed = FileTime{1'800'000'000, 999'999'999};
  EXPECT_EQ(field(get("/a"), "last-modified"), "(none)");
  EXPECT_NE(field(get("/a"), "etag"), "(none)");
  WallClockForTest::fixed = FileTime{1'800'000'001, 0};
  pass(1s);
  EXPECT_EQ(field(get("/a"), "last-modified"), http::format_http_date(1'800'000'000));
  EXPECT_EQ(status(get("/a", {{"if-modified-since", http::format_http_date(1'800'000'000)}})), 304u);
}

// Issue: such dates wrapped to 1680.
TEST_F(FileServerTest, AFileOfTheFutureHasNoDateAndIsNewerThanAnyInThePast) {
  for (const auto& [name, size] : {std::pair("small", 5), std::pair("large", 100'000)}) {
    folder.write(name, pattern(static_cast<std::size_t>(size)));
    folder.set_date(name, 10'413'792'000);  // the year 2300
    const auto path = "/" + std::string(name);
    const auto& whole = get(path);
    EXPECT_EQ(field(whole, "last-modified"), "(none)");
    const auto today = field(whole, "date");
    EXPECT_EQ(status(get(path, {{"if-unmodified-since", today}})), 412u);
    EXPECT_EQ(status(get(path, {{"if-modified-since", today}})), 200u);
    EXPECT_EQ(status(get(path, {{"range", "bytes=0-1"}, {"if-range", today}})), 200u);
    EXPECT_EQ(status(get(path, {{"if-none-match", field(whole, "etag")}})), 304u);
    EXPECT_EQ(files->cached(), 1u + static_cast<std::size_t>(size > 5));
  }
}

// A date that was set says nothing of what the file held when it was set before (RFC 9110 §8.8.2.2).
TEST_F(FileServerTest, ADateThatWasSetIsNotGoodForIfRange) {
  folder.write("set", "hello", 1000);
  std::ofstream(folder / "own") << "hello";
  for (const auto& [path, expected] : {std::pair("/set", "hello"), std::pair("/own", "el")}) {
    const auto date = field(get(path), "last-modified");
    EXPECT_NE(date, "(none)");
    EXPECT_EQ(status(get(path, {{"if-modified-since", date}})), 304u);
    EXPECT_EQ(get(path, {{"range", "bytes=1-2"}, {"if-range", date}}).body, expected);
  }
}

// Issue: the tag held the inode, so that no two replicas of a site agreed.
TEST_F(FileServerTest, ReplicasAgreeOnTags) {
  FolderForTest other;
  for (const auto* replica : {&folder, &other}) {
    replica->write("small", "hello");
    replica->write("large", pattern(100'000));
    replica->set_date("large", 1'700'000'000);
  }
  const auto tags = [&](EtagParts parts) {
    std::vector<std::string> out;
    for (const auto* replica : {&folder, &other}) {
      files = std::make_unique<FileServer>(
          ServedFolder::open(replica->path()).value(), replies,
          FileServerOptions{.load = {.etag = parts, .now = WallClockForTest::now}});
      out.push_back(field(get("/small"), "etag"));
      out.push_back(field(get("/large"), "etag"));
    }
    return out;
  };
  other.write_over("large", pattern(100'000));  // at another time than the first
  const auto strict = tags(EtagParts::size_mtime_ctime);
  EXPECT_EQ(strict[0], strict[2]);
  EXPECT_NE(strict[1], strict[3]);
  const auto alike = tags(EtagParts::size_mtime);
  EXPECT_EQ(alike[0], alike[2]);
  EXPECT_EQ(alike[1], alike[3]);
  EXPECT_EQ(alike[0], strict[0]);
  EXPECT_TRUE(strict[1].starts_with(alike[1].substr(0, alike[1].size() - 1)));
  other.set_date("large", 1'700'000'001);
  const auto dated = tags(EtagParts::size_mtime);
  EXPECT_NE(dated[1], dated[3]);
}

TEST_F(FileServerTest, AnotherFolderTakesThePlaceOfTheOneThatWasServed) {
  FolderForTest other;
  folder.write("both", "old");
  folder.write("gone", "old");
  folder.write("large", pattern(600'000));
  other.write("both", "new");
  EXPECT_EQ(get("/both").body, "old");
  EXPECT_EQ(get("/gone").body, "old");
  auto& sending = get("/large");
  files->set_folder(ServedFolder::open(other.path()).value(), EtagParts::size_mtime_ctime);
  EXPECT_EQ(files->cached(), 0u);
  EXPECT_EQ(get("/both").body, "new");
  EXPECT_EQ(status(get("/gone")), 404u);
  EXPECT_THAT(get("/").body, Not(HasSubstr("gone")));
  while (!sending.finished) sending.handler()->on_writable(sending);
  EXPECT_TRUE(sending.body == pattern(600'000));
}

TEST_F(FileServerTest, WhatIsReadOfTheFolderBeforeIsNotKept) {
  serve({.reader = &reader});
  FolderForTest other;
  folder.write("sub/old", "");
  other.write("sub/new", "");
  auto& left = get("/sub/");
  const auto& before = get("/sub/");
  files->set_folder(ServedFolder::open(other.path()).value(), EtagParts::size_mtime_ctime);
  const auto& after = get("/sub/");
  EXPECT_EQ(files->loading(), 2u);
  ASSERT_EQ(reader.jobs.size(), 2u);
  ConnectionForTest::close_exchange(left);
  reader.run_one();
  EXPECT_THAT(before.body, HasSubstr("./old"));
  EXPECT_EQ(files->cached(), 0u);
  reader.run_one();
  EXPECT_THAT(after.body, HasSubstr("./new"));
  EXPECT_EQ(files->loading(), 0u);
  EXPECT_EQ(files->cached(), 1u);
}

}  // namespace
}  // namespace sallyport::files
