// The response for a folder: its index.html, of any kind, or a list of its names only where there is none.
#include "base/sanitized_for_test.h"
#include "files/file_server_for_test.h"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace sallyport::files {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Takes root's rights to all files from this thread; others have none, and nothing happens.
class AsNobody {
 public:
  AsNobody() : before_(::setfsuid(nobody)) {}
  ~AsNobody() { ::setfsuid(static_cast<uid_t>(before_)); }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  static constexpr uid_t nobody = 65534;
  const int before_;
};

class FolderIndexTest : public FileServerTest {
 protected:
  void SetUp() override {
    FileServerTest::SetUp();
    std::filesystem::permissions(folder.path(), readable);
    folder.write("secret", "");
  }
  void make_socket(const std::string& path) {
    socket = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  static constexpr auto readable = std::filesystem::perms::owner_all | std::filesystem::perms::group_read |
                                   std::filesystem::perms::group_exec | std::filesystem::perms::others_read |
                                   std::filesystem::perms::others_exec;
  UniqueFd socket;
};

// Issue: each of these led to a list of the folder.
TEST_F(FolderIndexTest, AnIndexThatCannotBeReadIsStillAnIndex) {
  FolderForTest outside;
  outside.write("index.html", "<p>");
  const auto index = folder / "index.html";
  const auto expect = [&](unsigned expected, const char* what) {
    for (const auto* method : {"GET", "HEAD"})
      EXPECT_EQ(status(ask(method, "/")), expected) << method << what;
    std::filesystem::remove(index);
    EXPECT_THAT(get("/").body, HasSubstr("secret")) << what;
  };
  std::filesystem::create_symlink("nowhere", index);
  expect(404, "a link to nothing");
  std::filesystem::create_symlink("index.html", index);
  expect(404, "a link to itself");
  std::filesystem::create_symlink(outside / "index.html", index);
  expect(404, "a link that leads outside");
  std::filesystem::create_directory_symlink(outside.path(), index);
  expect(404, "a link to a folder outside");
  ASSERT_EQ(::mkfifo(index.c_str(), 0600), 0);
  expect(403, "a FIFO");
  make_socket(index);
  expect(404, "a socket");
  std::filesystem::create_directory(index);
  expect(404, "a folder");
}

TEST_F(FolderIndexTest, AnIndexThatMayNotBeReadIsForbidden) {
  folder.write("index.html", "<p>");
  std::filesystem::permissions(folder / "index.html", std::filesystem::perms::none);
  const AsNobody rights;
  EXPECT_EQ(status(get("/")), 403u);
  EXPECT_EQ(status(get("/index.html")), 403u);
  EXPECT_EQ(status(get("/secret")), 200u);
}

// Mode 111: one may go through it and read what one knows the name of.
TEST_F(FolderIndexTest, AFolderThatMayNotBeListedStillHasItsIndex) {
  using std::filesystem::perms;
  for (const auto* name : {"with/index.html", "without/x"}) folder.write(name, "<p>");
  const auto set = [&](perms mode) {
    for (const auto* name : {"with", "without"}) std::filesystem::permissions(folder / name, mode);
  };
  set(perms::owner_exec | perms::group_exec | perms::others_exec);
  std::optional<AsNobody> rights(std::in_place);
  EXPECT_EQ(get("/with/").body, "<p>");
  EXPECT_EQ(status(get("/without/")), 403u);
  EXPECT_EQ(get("/without/x").body, "<p>");
  EXPECT_EQ(field(get("/with"), "location"), "/with/");
  EXPECT_EQ(status(get("/without/none/")), 404u);
  rights.reset();
  set(perms::owner_all);  // so that it can be deleted
}

TEST_F(FolderIndexTest, AnIndexThatCannotBeOpenedJustNowIsNotMissing) {
  if (sanitized) GTEST_SKIP() << "the sanitizers' own checks need descriptors";
  folder.write("index.html", "<p>");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  for (const auto* path : {"/", "/index.html"}) {
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto& answer = get(path);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(status(answer), 503u);
    EXPECT_EQ(field(answer, "retry-after"), "5");
  }
  EXPECT_EQ(files->shortages(), 2u);
  EXPECT_EQ(get("/").body, "<p>");
}

TEST_F(FolderIndexTest, AnIndexMayBeALinkThatStaysInside) {
  if (!kernel_keeps_us_beneath()) GTEST_SKIP() << "no openat2 here";
  folder.write("real/page", "<p>");
  std::filesystem::create_symlink("real/page", folder / "index.html");
  EXPECT_EQ(get("/").body, "<p>");
  EXPECT_EQ(field(get("/"), "content-type"), "text/html; charset=utf-8");
}

// Issue: links were listed with their own size, as files, and also where a request for them got 404.
TEST_F(FolderIndexTest, LinksAreListedAsWhatTheyLeadTo) {
  if (!kernel_keeps_us_beneath()) GTEST_SKIP() << "no openat2 here";
  FolderForTest outside;
  outside.write("f", "");
  folder.write("deep/real/file", std::string(5000, 'x'));
  folder.write(".hidden/file", "");
  folder.set_date("deep/real/file", 86400);
  const auto link = [&](const std::string& target, const char* name) {
    std::filesystem::create_symlink(target, folder / "deep" / name);
  };
  link("real/file", "to-file");
  link("real", "to-folder");
  link("../secret", "up");
  link("to-file", "twice");
  const std::vector<std::string> left_out{"dangling", "itself", "absolute", "outside", "hidden", "fifo"};
  link("nowhere", "dangling");
  link("itself", "itself");
  link(folder / "secret", "absolute");
  link("../../" + outside.path().filename().string() + "/f", "outside");
  link("../.hidden/file", "hidden");
  ASSERT_EQ(::mkfifo((folder / "deep/real/pipe").c_str(), 0600), 0);
  link("real/pipe", "fifo");
  const std::string page = get("/deep/").body;
  for (const auto* name : {"to-file", "twice"})
    EXPECT_THAT(page, HasSubstr(std::string("<a href=\"./") + name + "\">" + name +
                                "</a></td><td>4.9 KiB</td><td>1970-01-02 00:00</td>"));
  EXPECT_THAT(page, HasSubstr("<a href=\"./to-folder/\">to-folder/</a></td><td></td>"));
  EXPECT_THAT(page, HasSubstr("<a href=\"./up\">up</a></td><td>0</td>"));
  for (const std::string& name : left_out) {
    EXPECT_THAT(page, Not(HasSubstr(name)));
    EXPECT_GE(status(get("/deep/" + name)), 403u) << name;
  }
  for (const auto* path : {"/deep/to-file", "/deep/twice", "/deep/up", "/deep/to-folder/"})
    EXPECT_EQ(status(get(path)), 200u) << path;
  // By another way to the same folder.
  std::filesystem::create_directory_symlink("deep", folder / "way");
  EXPECT_THAT(get("/way/").body, HasSubstr("to-file</a></td><td>4.9 KiB</td>"));
}

TEST_F(FolderIndexTest, TheSameHoldsWhereTheDiskHasToBeAsked) {
  serve({.reader = &reader});
  std::filesystem::create_symlink("nowhere", folder / "index.html");
  const auto answer = [&]() -> masque::ExchangeForTest& {
    auto& exchange = get("/");
    if (status(exchange) == 0) reader.run_one();
    return exchange;
  };
  EXPECT_EQ(status(answer()), 404u);
  EXPECT_EQ(status(answer()), 404u);
  std::filesystem::remove(folder / "index.html");
  EXPECT_THAT(answer().body, HasSubstr("secret"));
  folder.write("index.html", "<p>");
  EXPECT_EQ(answer().body, "<p>");
}

}  // namespace
}  // namespace sallyport::files
