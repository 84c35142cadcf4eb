#include "files/file_server.h"

#include "files/file_server_for_test.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace sallyport::files {
namespace {

using masque::ConnectionForTest;
using masque::ExchangeForTest;
using testing::HasSubstr;
using testing::Not;

TEST_F(FileServerTest, SendsAFileWithAllItsFields) {
  folder.write("a.txt", "hello", 1000);
  const auto& answer = get("/a.txt");
  EXPECT_EQ(status(answer), 200u);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_TRUE(answer.finished);
  EXPECT_EQ(field(answer, "content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(field(answer, "content-length"), "5");
  EXPECT_EQ(field(answer, "accept-ranges"), "bytes");
  const auto now = *http::parse_http_date(field(answer, "date"), 0);
  EXPECT_NEAR(static_cast<double>(now - *http::parse_http_date(field(answer, "last-modified"), now)), 1000,
              60);
  EXPECT_TRUE(field(answer, "etag").starts_with('"'));
  EXPECT_EQ(field(answer, "alt-svc"), "(none)");
}

TEST_F(FileServerTest, SaysAltSvcWhereItsListenerDoes) {
  folder.write("a.txt", "hello");
  constexpr std::string_view one = "h3=\":1\"; ma=86400", two = "h3=\":2\"; ma=86400";
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(field(ask("GET", "/a.txt", {}, one), "alt-svc"), one);
    EXPECT_EQ(field(ask("GET", "/a.txt", {}, two), "alt-svc"), two);
    EXPECT_EQ(field(ask("GET", "/a.txt"), "alt-svc"), "(none)");
    EXPECT_EQ(field(ask("GET", "/none", {}, one), "alt-svc"), one);
  }
}

TEST_F(FileServerTest, HeadHasTheFieldsWithoutTheBody) {
  folder.write("small", "hello");
  folder.write("large", pattern(100'000));
  for (const auto* path : {"/small", "/large", "/", "/none"}) {
    const auto& whole = get(path);
    const auto& head = ask("HEAD", path, {{"range", "bytes=0-1"}});
    EXPECT_EQ(status(head), status(whole));
    EXPECT_EQ(field(head, "content-length"), field(whole, "content-length"));
    EXPECT_EQ(head.body, "");
    EXPECT_TRUE(head.finished);
  }
}

TEST_F(FileServerTest, SendsLargeAndEmptyFiles) {
  const auto content = pattern(300'001);
  folder.write("large.bin", content);
  folder.write("limit.bin", content.substr(0, 64 * 1024));
  folder.write("empty", "");
  EXPECT_TRUE(get("/large.bin").body == content);
  EXPECT_TRUE(get("/limit.bin").body == content.substr(0, 64 * 1024));
  const auto& empty = get("/empty");
  EXPECT_EQ(field(empty, "content-length"), "0");
  EXPECT_TRUE(empty.finished);
  EXPECT_EQ(replies.counters().body_bytes[2], content.size() + 64 * 1024);
}

TEST_F(FileServerTest, SendsRanges) {
  const auto content = pattern(200'000);
  folder.write("large.txt", content);
  folder.write("small.txt", content.substr(0, 1000));
  for (const auto& [path, size] : {std::pair("/large.txt", 200'000u), std::pair("/small.txt", 1000u)}) {
    const auto& one = get(path, {{"range", "bytes=100-299"}});
    EXPECT_EQ(status(one), 206u);
    EXPECT_EQ(field(one, "content-range"), "bytes 100-299/" + std::to_string(size));
    EXPECT_EQ(field(one, "content-length"), "200");
    EXPECT_EQ(one.body, content.substr(100, 200));

    const auto& two = get(path, {{"range", "bytes=900-,0-1"}});
    EXPECT_EQ(status(two), 206u);
    EXPECT_EQ(field(two, "content-length"), std::to_string(two.body.size()));
    const auto type = field(two, "content-type");
    ASSERT_TRUE(type.starts_with("multipart/byteranges; boundary="));
    const auto boundary = "--" + type.substr(31);
    EXPECT_TRUE(two.body.starts_with(boundary + "\r\ncontent-type: text/plain"));
    EXPECT_TRUE(two.body.ends_with("\r\n" + boundary + "--\r\n"));
    EXPECT_TRUE(two.body.contains(content.substr(900, size - 900)));
    EXPECT_THAT(two.body, HasSubstr("content-range: bytes 0-1/" + std::to_string(size) + "\r\n\r\n" +
                                    content.substr(0, 2)));

    const auto& none = get(path, {{"range", "bytes=200000-"}});
    EXPECT_EQ(status(none), 416u);
    EXPECT_EQ(field(none, "content-range"), "bytes */" + std::to_string(size));
  }
}

TEST_F(FileServerTest, IfRangeDecidesOverTheRange) {
  folder.write("a", "0123456789");
  const auto etag = field(get("/a"), "etag");
  EXPECT_EQ(get("/a", {{"range", "bytes=1-2"}, {"if-range", etag}}).body, "12");
  EXPECT_EQ(get("/a", {{"range", "bytes=1-2"}, {"if-range", "\"other\""}}).body, "0123456789");
}

TEST_F(FileServerTest, AnswersConditions) {
  folder.write("a", "0123456789");
  const auto etag = field(get("/a"), "etag");
  const auto& same = get("/a", {{"if-none-match", etag}});
  EXPECT_EQ(status(same), 304u);
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(field(same, "etag"), etag);
  EXPECT_EQ(field(same, "content-length"), "(none)");
  EXPECT_EQ(status(get("/a", {{"if-match", "\"other\""}})), 412u);
  EXPECT_EQ(status(get("/a", {{"if-modified-since", field(get("/a"), "last-modified")}})), 304u);
}

TEST_F(FileServerTest, LeadsToFoldersAndTheirIndex) {
  folder.write("sub/index.html", "<p>");
  folder.write("sub/x.txt", "x");
  const auto& moved = get("/sub?q=1");
  EXPECT_EQ(status(moved), 301u);
  EXPECT_EQ(field(moved, "location"), "/sub/?q=1");
  // Never "//host", which would lead elsewhere.
  EXPECT_EQ(field(get("//sub"), "location"), "/sub/");
  const auto& index = get("/sub/");
  EXPECT_EQ(index.body, "<p>");
  EXPECT_EQ(field(index, "content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(status(get("/sub/x.txt/")), 404u);
  EXPECT_EQ(status(get("/sub/x.txt/y")), 404u);
}

TEST_F(FileServerTest, ListsFolders) {
  folder.write("zeta/x", "");
  folder.write("b<&>.txt", std::string(2048, 'x'));
  folder.write("a b", "");
  folder.write(".secret", "");
  const auto& page = get("/");
  EXPECT_EQ(status(page), 200u);
  EXPECT_EQ(field(page, "content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(field(page, "etag"), "(none)");
  EXPECT_THAT(page.body, HasSubstr("<a href=\"./b%3C%26%3E.txt\">b&lt;&amp;&gt;.txt</a></td><td>2.0 KiB"));
  EXPECT_THAT(page.body, HasSubstr("<a href=\"./zeta/\">zeta/</a>"));
  EXPECT_THAT(page.body, Not(HasSubstr("secret")));
  EXPECT_THAT(page.body, Not(HasSubstr("../")));
  EXPECT_LT(page.body.find("zeta/"), page.body.find("a b"));
  EXPECT_LT(page.body.find(">a b"), page.body.find(">b&lt;"));
  EXPECT_THAT(get("/zeta/").body, HasSubstr("href=\"../\""));
}

TEST_F(FileServerTest, StaysInItsFolder) {
  FolderForTest outside;
  outside.write("secret", "secret");
  folder.write("in/real", "inside");
  folder.write(".hidden", "secret");
  std::filesystem::create_symlink("in/real", folder / "link");
  std::filesystem::create_directory_symlink("in", folder / "way");
  std::filesystem::create_symlink(outside / "secret", folder / "absolute");
  std::filesystem::create_symlink("../" + outside.path().filename().string() + "/secret",
                                  folder / "relative");
  std::filesystem::create_directory_symlink(outside.path(), folder / "out");
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  if (kernel_keeps_us_beneath()) {
    EXPECT_EQ(get("/link").body, "inside");
    EXPECT_EQ(get("/way/real").body, "inside");
  }
  for (const auto* path : {"/absolute", "/relative", "/out/secret", "/out/", "/.hidden", "/in/../.hidden",
                           "/%2e%2e/x", "/fifo"}) {
    const auto& answer = get(path);
    EXPECT_GE(status(answer), 400u) << path;
    EXPECT_THAT(answer.body, Not(HasSubstr("secret"))) << path;
  }
  EXPECT_EQ(status(get("/%")), 400u);
}

TEST_F(FileServerTest, LinksDoNotLeadToHiddenNames) {
  folder.write(".env", "secret");
  folder.write(".git/config", "secret");
  folder.write("in/.cache/deep/file", "secret");
  folder.write(".well-known/file", "public");
  folder.write("..2026_01_01/file", "public");
  const auto link = [&](const char* target, const char* name) {
    std::filesystem::create_symlink(target, folder / name);
  };
  link(".env", "env");
  link(".git", "git");
  link("in/.cache/deep", "deep");
  link("git", "twice");
  std::filesystem::create_directory(folder / "index");
  link("../.env", "index/index.html");
  link(".well-known", "known");
  link("..2026_01_01", "..data");  // as Kubernetes lays out a volume
  link("..data/file", "file");
  if (kernel_keeps_us_beneath()) {
    EXPECT_EQ(get("/known/file").body, "public");
    EXPECT_EQ(get("/file").body, "public");
  }
  for (const auto* path :
       {"/env", "/git/config", "/git/", "/git", "/deep/file", "/twice/config", "/index/", "/..data/file"})
    EXPECT_EQ(status(get(path)), 404u) << path;
}

TEST_F(FileServerTest, OnlyReads) {
  folder.write("a", "0123456789");
  const auto& options = ask("OPTIONS", "*");
  EXPECT_EQ(status(options), 204u);
  EXPECT_EQ(field(options, "allow"), "GET, HEAD, OPTIONS");
  auto& post = ask("POST", "/a");
  EXPECT_EQ(status(post), 405u);
  EXPECT_EQ(field(post, "allow"), "GET, HEAD, OPTIONS");
  post.receive_body("more and more");
  EXPECT_TRUE(post.stopped);
  EXPECT_EQ(post.consumed, 13u);
}

TEST_F(FileServerTest, LetsSmallBodiesComeIn) {
  folder.write("a", "0123456789");
  auto& small = ask("POST", "/a", {{"content-length", "1048576"}});
  EXPECT_EQ(status(small), 405u);
  small.receive_body("more and more");
  EXPECT_FALSE(small.stopped);
  EXPECT_EQ(small.consumed, 13u);
  auto& large = ask("POST", "/a", {{"content-length", "1048577"}});
  large.receive_body("more and more");
  EXPECT_TRUE(large.stopped);
}

TEST_F(FileServerTest, AFileThatShrinksCutsTheResponse) {
  folder.write("large", pattern(300'000));
  auto& exchange = connection.receive({.path = "/large"});
  exchange.queued = http::Exchange::high_water + 1;
  files->serve({exchange, {}});
  EXPECT_EQ(exchange.body, "");
  EXPECT_EQ(files->transfers().open, 1u);
  EXPECT_EQ(files->transfers().queued_bytes, exchange.queued);
  std::filesystem::resize_file(folder / "large", 200'000);
  exchange.queued = 0;
  exchange.handler()->on_writable(exchange);
  EXPECT_EQ(exchange.resets, std::vector{http::ResetCode::internal_error});
  EXPECT_FALSE(exchange.finished);
  EXPECT_EQ(files->transfers().cut, 1u);
  ConnectionForTest::close_exchange(exchange);
  EXPECT_EQ(files->transfers().open, 0u);
  EXPECT_EQ(files->transfers().queued_bytes, 0u);
}

TEST_F(FileServerTest, AFileWrittenOverCutsTheResponse) {
  folder.write("large", pattern(300'000), 100);
  auto& exchange = connection.receive({.path = "/large"});
  exchange.queued = http::Exchange::high_water + 1;
  files->serve({exchange, {}});
  folder.write("large", std::string(300'000, 'x'), 50);
  exchange.queued = 0;
  exchange.handler()->on_writable(exchange);
  EXPECT_EQ(exchange.resets.size(), 1u);
}

TEST_F(FileServerTest, AFileThatIsReplacedOrAppendedToIsSentAsItWas) {
  const auto content = pattern(300'000);
  const auto sent_while = [&](const std::string& path, const auto& change) {
    folder.write("file", content);
    auto& exchange = connection.receive({.path = path});
    exchange.queued = http::Exchange::high_water + 1;
    files->serve({exchange, {}});
    change();
    exchange.queued = 0;
    exchange.handler()->on_writable(exchange);
    return exchange.finished && exchange.body == content;
  };
  EXPECT_TRUE(sent_while("/file", [&] {
    folder.write("other", "other");
    std::filesystem::rename(folder / "other", folder / "file");
  }));
  EXPECT_TRUE(sent_while("/file?", [&] { std::ofstream(folder / "file", std::ios::app) << "more"; }));
}

TEST_F(FileServerTest, AFileWrittenOverBySomethingLongerCutsTheResponse) {
  folder.write("large", pattern(600'000), 100);
  auto& exchange = connection.receive({.path = "/large"});
  files->serve({exchange, {}});
  EXPECT_LT(exchange.body.size(), 600'000u);
  folder.write("large", std::string(700'000, 'x'), 50);
  exchange.handler()->on_writable(exchange);
  EXPECT_EQ(exchange.resets.size(), 1u);
  EXPECT_TRUE(pattern(600'000).starts_with(exchange.body));
}

TEST_F(FileServerTest, AFileThatGrowsWhileItIsSentIsSentAsItWas) {
  const auto content = pattern(900'000);
  folder.write("log", content);
  auto& exchange = connection.receive({.path = "/log"});
  files->serve({exchange, {}});
  while (!exchange.finished && exchange.resets.empty()) {
    std::ofstream(folder / "log", std::ios::app) << "more";
    exchange.handler()->on_writable(exchange);
  }
  EXPECT_TRUE(exchange.body == content);
}

// It may be one that drops all of it.
TEST_F(FileServerTest, AnExchangeThatHoldsNothingIsNotGivenTheWholeFileAtOnce) {
  folder.write("large", pattern(4'000'000));
  const auto& exchange = get("/large");
  EXPECT_LE(exchange.body.size(), http::Exchange::high_water + 2 * Chunk::pooled_size);
}

TEST_F(FileServerTest, ReadersOfOneFileShareWhatTheyHold) {
  const auto content = pattern(600'000);
  folder.write("large", content);
  auto& first = get("/large");
  const auto& second = get("/large");
  ASSERT_GT(first.held.size(), 3u);
  ASSERT_EQ(second.held.size(), first.held.size());
  for (std::size_t i = 0; i < first.held.size(); ++i) EXPECT_EQ(second.held[i].data(), first.held[i].data());
  // From within a block on, and no further than was asked for.
  const auto& part = get("/large", {{"range", "bytes=100000-199999"}});
  EXPECT_EQ(part.body, content.substr(100'000, 100'000));
  EXPECT_EQ(part.held.front().data(), first.held[1].data() + (100'000 - Chunk::pooled_size));
  while (!first.finished) first.handler()->on_writable(first);
  EXPECT_EQ(first.body, content);
}

TEST_F(FileServerTest, WhatIsHeldOfAnotherStateIsNotShared) {
  folder.write("large", pattern(600'000));
  const auto& before = get("/large");
  folder.write_over("large", std::string(600'000, 'x'));
  const auto& after = get("/large");
  EXPECT_NE(after.held.front().data(), before.held.front().data());
  EXPECT_TRUE(std::string(600'000, 'x').starts_with(after.body));
}

TEST_F(FileServerTest, WhatIsHeldOfAFileThatChangedJustNowIsNotShared) {
  folder.write("large", pattern(600'000));
  WallClockForTest::fixed = FileIdentity(folder.state("large")).changed;
  const auto& one = get("/large");
  const auto& other = get("/large");
  EXPECT_NE(one.held.front().data(), other.held.front().data());
}

TEST_F(FileServerTest, SlowClientsCannotFillTheMemory) {
  serve({.max_queued = 1000});
  folder.write("large", pattern(300'000));
  auto& slow = connection.receive({.path = "/large"});
  slow.queued = http::Exchange::high_water + 1;
  files->serve({slow, {}});
  const auto& refused = get("/large");
  EXPECT_EQ(status(refused), 503u);
  EXPECT_EQ(field(refused, "retry-after"), "5");
  ConnectionForTest::close_exchange(slow);
  EXPECT_EQ(status(get("/large")), 200u);
}

TEST_F(FileServerTest, TheCacheKeepsToItsLimits) {
  FileServerOptions options;
  options.cache.entries = 4;
  options.cache.content = 1000;
  options.cache.open_files = 2;
  serve(options);
  for (int i = 0; i < 10; ++i) folder.write("s" + std::to_string(i), std::string(10, 'x'));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(get("/s" + std::to_string(i)).body.size(), 10u);
  EXPECT_EQ(files->cached(), 4u);
  folder.write("big", std::string(900, 'x'));
  folder.write("bigger", std::string(5000, 'x'));
  get("/big");
  EXPECT_EQ(files->cached(), 4u);
  EXPECT_EQ(get("/bigger").body.size(), 5000u);
  EXPECT_EQ(files->cached(), 0u);
  for (int i = 0; i < 4; ++i) {
    folder.write("l" + std::to_string(i), pattern(100'000));
    EXPECT_EQ(get("/l" + std::to_string(i)).body.size(), 100'000u);
  }
  EXPECT_EQ(files->cached(), 2u);
  std::string deep;
  for (int i = 0; i < 6; ++i) deep += std::string(100, 'd') + "/";
  folder.write(deep + "s", "x");
  EXPECT_EQ(get("/" + deep + "s").body, "x");
  EXPECT_EQ(files->cached(), 2u);
}

TEST_F(FileServerTest, OnePathIsOneEntryHoweverItIsSpelled) {
  folder.write("sub/a", "hello");
  folder.write("b%20c", "percent");
  folder.write("b c", "space");
  for (const auto* path : {"/sub/a", "/sub/a?1", "/sub/a?2", "//sub///a", "/sub/%61", "/%73ub/a?%3f"})
    EXPECT_EQ(get(path).body, "hello") << path;
  EXPECT_EQ(files->cached(), 1u);
  for (const auto* path : {"/sub/", "/sub/?1", "/sub/?2", "/sub//", "/%73ub/"})
    EXPECT_EQ(status(get(path)), 200u) << path;
  EXPECT_EQ(files->cached(), 2u);
  EXPECT_EQ(get("/b%2520c").body, "percent");
  EXPECT_EQ(get("/b%20c").body, "space");
  EXPECT_EQ(get("/b%2520c").body, "percent");
  EXPECT_EQ(files->cached(), 4u);
  EXPECT_EQ(status(get("/sub/a/")), 404u);
  EXPECT_EQ(field(get("/sub?x=1?y"), "location"), "/sub/?x=1?y");
  EXPECT_EQ(files->cached(), 4u);
}

TEST_F(FileServerTest, AFoldersPageIsMadeElsewhereAndOnce) {
  serve({.reader = &reader});
  folder.write("sub/x", "");
  auto& first = get("/sub/");
  auto& second = get("/sub/?again");
  auto& leaves = ask("HEAD", "//sub/");
  EXPECT_EQ(status(first), 0u);
  EXPECT_EQ(files->loading(), 1u);
  ConnectionForTest::close_exchange(leaves);
  ASSERT_EQ(reader.jobs.size(), 1u);
  first.receive_body("a body of a GET");
  EXPECT_EQ(first.consumed, 15u);
  reader.run_one();
  EXPECT_EQ(files->loading(), 0u);
  for (const auto* answer : {&first, &second}) {
    EXPECT_EQ(status(*answer), 200u);
    EXPECT_THAT(answer->body, HasSubstr("./x"));
    EXPECT_TRUE(answer->finished);
  }
  EXPECT_EQ(leaves.responses.size(), 0u);
  if (!kernel_keeps_us_beneath()) GTEST_SKIP() << "no openat2 here";
  EXPECT_EQ(status(get("/sub/")), 200u);
  EXPECT_TRUE(reader.jobs.empty());
}

// The text belongs to a listener, which another configuration may give another one meanwhile.
TEST_F(FileServerTest, ARequestThatWaitsKeepsItsAltSvc) {
  serve({.reader = &reader});
  folder.write("sub/x", "");
  auto alt_svc = std::make_unique<std::string>("h3=\":443\"; ma=86400; persist=1");
  const std::string before = *alt_svc;
  auto& waiting = ask("GET", "/sub/", {}, *alt_svc);
  EXPECT_EQ(status(waiting), 0u);
  alt_svc->assign(alt_svc->size(), 'x');
  alt_svc.reset();
  reader.run_one();
  EXPECT_EQ(field(waiting, "alt-svc"), before);
}

TEST_F(FileServerTest, ListenersAreToldApartByTheTextOfTheirAltSvc) {
  folder.write("f", "hello");
  std::string alt_svc = "h3=\":443\"; ma=86400";
  EXPECT_EQ(field(ask("GET", "/f", {}, alt_svc), "alt-svc"), alt_svc);
  alt_svc[5] = '8';  // at the same place
  EXPECT_EQ(field(ask("GET", "/f", {}, alt_svc), "alt-svc"), alt_svc);
}

TEST_F(FileServerTest, WhatIsInMemoryTakesNoDetour) {
  serve({.reader = &reader});
  folder.write("small", "hello");
  folder.write("large", pattern(300'000));
  if (!kernel_keeps_us_beneath()) GTEST_SKIP() << "no openat2 here";
  EXPECT_EQ(get("/small").body, "hello");
  EXPECT_TRUE(get("/large").body == pattern(300'000));
  EXPECT_TRUE(reader.jobs.empty());
}

TEST_F(FileServerTest, WhatIsOnDiskIsReadElsewhere) {
  serve({.reader = &reader});
  reader.all_on_disk = true;
  folder.write("small", "hello");
  const auto& small = get("/small", {{"range", "bytes=1-2"}});
  EXPECT_EQ(status(small), 0u);
  ASSERT_EQ(reader.jobs.size(), 1u);
  reader.run_one();
  EXPECT_EQ(small.body, "el");

  folder.write("large", pattern(300'000));
  const auto& large = get("/large");
  if (status(large) == 0) reader.run_one();  // without openat2 it is opened elsewhere, too
  EXPECT_EQ(status(large), 200u);
  EXPECT_EQ(large.body, "");
  EXPECT_EQ(reader.jobs.size(), 1u);
  while (!reader.jobs.empty()) reader.run_one();
  EXPECT_TRUE(large.body == pattern(300'000));
  EXPECT_TRUE(large.finished);
}

TEST_F(FileServerTest, ATransferMayEndWhileItIsReadFor) {
  serve({.reader = &reader});
  reader.all_on_disk = true;
  folder.write("large", pattern(300'000));
  const auto begin = [&]() -> ExchangeForTest& {
    auto& exchange = get("/large");
    if (status(exchange) == 0) reader.run_one();  // without openat2 it is opened elsewhere, too
    EXPECT_EQ(reader.jobs.size(), 1u);
    return exchange;
  };
  auto& closed = begin();
  ConnectionForTest::close_exchange(closed);
  EXPECT_EQ(files->transfers().open, 0u);
  reader.run_one();
  EXPECT_EQ(closed.body, "");

  const auto& shrunk = begin();
  std::filesystem::resize_file(folder / "large", 200'000);
  reader.run_one();
  EXPECT_EQ(shrunk.body, "");
  EXPECT_EQ(shrunk.resets.size(), 1u);
  EXPECT_EQ(files->transfers().cut, 1u);
}

TEST_F(FileServerTest, TooMuchToReadIsRefused) {
  serve({.reader = &reader});
  folder.write("sub/x", "hello");
  reader.busy = true;
  const auto& refused = get("/sub/");
  EXPECT_EQ(status(refused), 503u);
  EXPECT_EQ(field(refused, "retry-after"), "5");
  if (!kernel_keeps_us_beneath()) GTEST_SKIP() << "no openat2 here";
  EXPECT_EQ(get("/sub/x").body, "hello");
}

TEST_F(FileServerTest, ALargeFileThatChangedIsOpenedAgainAtOnce) {
  folder.write("large", pattern(200'000), 100);
  EXPECT_TRUE(get("/large").body == pattern(200'000));
  folder.write("large", std::string(250'000, 'x'), 50);
  const auto& answer = get("/large");
  EXPECT_EQ(field(answer, "content-length"), "250000");
  EXPECT_TRUE(answer.body == std::string(250'000, 'x'));
  EXPECT_EQ(files->cached(), 1u);
}

TEST(ServedFolder, SaysWhatIsWrongWithIt) {
  FolderForTest folder;
  folder.write("a", "");
  for (const auto* name : {"a", "missing"}) {
    const auto served = ServedFolder::open(folder / name);
    ASSERT_FALSE(served);
    EXPECT_THAT(served.error().message, HasSubstr((folder / name).string()));
    EXPECT_EQ(served.error().kind, ErrorKind::file);
  }
}

}  // namespace
}  // namespace sallyport::files
