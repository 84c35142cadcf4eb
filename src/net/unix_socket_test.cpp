#include "net/unix_socket.h"

#include "base/file.h"
#include "base/folder_for_test.h"
#include "net/tcp.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace sallyport::net {
namespace {

using testing::HasSubstr;

class UnixSocket : public testing::Test {
 protected:
  static bool connects(const std::string& path) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  static mode_t mode(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  }

  const FolderForTest folder_;
  const std::string path_ = folder_ / "admin.sock";
};

TEST_F(UnixSocket, IsForThisUserAloneAndGoesAtTheEnd) {
  {
    auto listening = listen_on_unix_socket(path_);
    ASSERT_TRUE(listening) << listening.error().message;
    EXPECT_EQ(mode(path_), 0600u);
    EXPECT_TRUE(connects(path_));
  }
  EXPECT_FALSE(file_exists(path_));
}

TEST_F(UnixSocket, OneThatWasLeftBehindIsReplaced) {
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(file_exists(path_));
  auto listening = listen_on_unix_socket(path_);
  ASSERT_TRUE(listening) << listening.error().message;
  EXPECT_TRUE(connects(path_));
}

TEST_F(UnixSocket, OneThatIsListenedOnIsNot) {
  auto first = listen_on_unix_socket(path_);
  ASSERT_TRUE(first);
  auto second = listen_on_unix_socket(path_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(path_));
  EXPECT_TRUE(connects(path_)) << "the first goes on";
}

TEST_F(UnixSocket, NoFileIsReplaced) {
  ASSERT_TRUE(write_file(path_, "precious", 0600, IfExists::refuse));
  const auto listening = listen_on_unix_socket(path_);
  ASSERT_FALSE(listening);
  EXPECT_THAT(listening.error().message, HasSubstr("is not a socket"));
  EXPECT_EQ(read_file(path_, 100).value(), "precious");
}

TEST_F(UnixSocket, AnothersNameIsLeftAlone) {
  {
    auto listening = listen_on_unix_socket(path_);
    ASSERT_TRUE(listening);
    ASSERT_EQ(::unlink(path_.c_str()), 0);
    ASSERT_TRUE(write_file(path_, "another's", 0600, IfExists::refuse));
  }
  EXPECT_TRUE(file_exists(path_));
}

TEST_F(UnixSocket, PathsThatNoSocketCanHaveAreSaid) {
  for (const std::string& path : {std::string(), std::string(200, 'x'), std::string("a\0b", 3)})
    EXPECT_FALSE(listen_on_unix_socket(path));
  const auto nowhere = listen_on_unix_socket("/nowhere/admin.sock");
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("/nowhere/admin.sock"));
}

TEST_F(UnixSocket, PathsAreCheckedWithoutATrace) {
  EXPECT_TRUE(check_unix_socket(path_));
  EXPECT_FALSE(file_exists(path_));
  for (const std::string& path : {std::string(200, 'x'), std::string("/nowhere/admin.sock"),
                                  std::string("/proc/admin.sock"), folder_.path()})
    EXPECT_EQ(check_unix_socket(path).error().message, listen_on_unix_socket(path).error().message);
  // It may be that of a gateway which this one is to follow.
  const auto listening = listen_on_unix_socket(path_);
  EXPECT_TRUE(check_unix_socket(path_));
  EXPECT_TRUE(connects(path_));
}

TEST_F(UnixSocket, CarriesWhatAListenerHandsOut) {
  EventLoop loop;
  std::unique_ptr<ByteStream> server;
  auto listener = TcpListener::listen_unix(loop, path_, {}, [&](std::unique_ptr<ByteStream> stream) {
    server = std::move(stream);
    loop.stop();
  });
  ASSERT_TRUE(listener) << listener.error().message;
  ASSERT_TRUE(connects(path_));
  loop.run();
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->net_path().remote, SocketAddress());
}

}  // namespace
}  // namespace sallyport::net
