#include "cli/command.h"

#include "base/escape.h"
#include "base/signal_copies.h"
#include "net/event_loop.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace sallyport::cli {
namespace {

int output_error = 0;  // errno of the first print() on standard output that failed

}  // namespace

void say(std::string_view sentence) {
  const std::string line = "sallyport: " + escaped(sentence) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void print(std::FILE* to, std::string_view lines) {
  const std::string text = escaped_page(lines);
  const bool done = std::fwrite(text.data(), 1, text.size(), to) == text.size();
  if (!done && to == stdout && output_error == 0) output_error = errno;
}

void flush_output(ExitStatus& status) {
  if (std::fflush(stdout) != 0 && output_error == 0) output_error = errno;
  if (output_error == 0) return;
  if (output_error == EPIPE && status.pipe_kills) {
    if (status.signal == 0) status.signal = SIGPIPE;
    return;
  }
  say(std::string("cannot write to standard output: ") + std::strerror(output_error));
  if (status.value == 0) status.value = 1;
  output_error = 0;
  std::clearerr(stdout);
}

void fail_with(const Error& error, ExitStatus& status) {
  say(error.message);
  status.value = error.kind == ErrorKind::usage ? 2 : 1;
}

void end_by_signals(net::EventLoop& loop, ExitStatus& status, std::function<void()> interrupt) {
  const auto copies = std::make_shared<SignalCopies>();
  const auto handle = [&loop, &status, copies, interrupt = std::move(interrupt)](int signal) {
    // A closed terminal is told of twice, by the shell and by the kernel: nobody grew impatient.
    if (signal == SIGHUP && status.signal != 0) return;
    if (copies->is_copy(signal, loop.timers().now())) return;
    if (std::exchange(status.signal, signal) != 0) loop.stop();
    interrupt();
  };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before{};
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    loop.on_signals({signal}, handle);
  }
}

void finish_with(const Result<int>& outcome, ExitStatus& status) {
  if (outcome)
    status.value = *outcome;
  else
    fail_with(outcome.error(), status);
}

}  // namespace sallyport::cli
