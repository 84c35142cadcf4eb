#include "gateway/terminal.h"

#include "base/unique_fd.h"

#include <cerrno>
#include <csignal>

#include <fcntl.h>

namespace sallyport::gateway {
namespace {

/// The kernel detaches the terminal from all processes of the session before it sends the first SIGHUP.
bool has_terminal() {
  const UniqueFd fd(::open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  return fd || (errno != ENXIO && errno != EIO);
}

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Terminal::Terminal() : matters_(!is_ignored(SIGHUP) && has_terminal()) {}

bool Terminal::is_gone() const {
  return matters_ && !has_terminal();
}

}  // namespace sallyport::gateway
