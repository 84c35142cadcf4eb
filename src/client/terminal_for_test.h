// A terminal in the place of standard error, for tests of what is drawn there.
#pragma once

#include "base/unique_fd.h"

#include <array>
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace sallyport::client::test {

/// As long as it exists.
class Terminal {
 public:
  Terminal() {
    int ours = -1, theirs = -1;
    EXPECT_EQ(::openpty(&ours, &theirs, nullptr, nullptr, nullptr), 0);
    terminal_ = UniqueFd(ours);
    ::fcntl(ours, F_SETFL, O_NONBLOCK);
    replace_stderr(theirs);
    ::close(theirs);
  }
  ~Terminal() { replace_stderr(stderr_.get()); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static void replace_stderr(int fd) {
    std::fflush(stderr);
    ::dup2(fd, STDERR_FILENO);
  }
  void set_columns(unsigned short count) {
    const winsize size{.ws_row = 24, .ws_col = count, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::ioctl(terminal_.get(), TIOCSWINSZ, &size), 0);
  }
  /// What was written to it since the last call.
  std::string shown() {
    std::fflush(stderr);
    std::string text;
    std::array<char, 1000> piece{};
    for (ssize_t size = 0; (size = ::read(terminal_.get(), piece.data(), piece.size())) > 0;)
      text.append(piece.data(), static_cast<std::size_t>(size));
    return text;
  }

 private:
  UniqueFd stderr_{::dup(STDERR_FILENO)};
  UniqueFd terminal_;
};

}  // namespace sallyport::client::test
