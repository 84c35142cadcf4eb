#include "cli/run.h"

#include "cli/bench.h"
#include "cli/cert.h"
#include "cli/command.h"
#include "cli/gateway.h"
#include "cli/get.h"
#include "cli/help.h"
#include "cli/trace.h"
#include "cli/tun.h"
#include "cli/usage.h"
#include "cli/version.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace sallyport::cli {
namespace {

/// Started with one of them closed, the next file or socket that is opened would get its number, and what is
/// printed. What takes its place fails as it would.
void keep_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    while (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) >= 0) {
    }
}

/// `help`, `help COMMAND...` and `version`, which many programs know, as the flags that ours has for them.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) return words;
  if (words.front() == "version") words.front() = "--version";
  if (words.front() == "help") {
    words.erase(words.begin());
    if (!words.empty() && words.front() == "help") words.clear();
    words.emplace_back("--help");
  }
  return words;
}

void parse_and_run(int argc, char** argv, ExitStatus& status) {
  CLI::App app("HTTP/3 out of a network (MASQUE) and into one", "sallyport");
  app.set_version_flag("-V,--version", version_text(), "Print the version and those of the libraries");
  app.set_help_flag("-h,--help", "Print this help");
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  add_gateway(app, status);
  add_get(app, status);
  add_tun(app, status);
  add_bench(app, status);
  add_cert(app, status);
  add_trace(app, status);
  std::vector<std::string> words = words_of(argc, argv);
  try {
    auto checked = take_resume_offset(app, words);
    if (checked) checked = check_words(app, words);
    if (!checked) return fail_with(checked.error(), status);
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(std::move(words));
  } catch (const CLI::Success& success) {
    std::ostringstream text;  // --help and --version
    status.value = app.exit(success, text);
    print(stdout, text.str());
  } catch (const CLI::ParseError& error) {
    fail_with(usage_error(app, error), status);
  } catch (const std::exception& error) {
    fail_with({ErrorKind::resource, error.what()}, status);
  }
}

}  // namespace

int run(int argc, char** argv) {
  keep_standard_descriptors();
  ExitStatus status;
  // A reader that went away is an error of the write: connections are closed in order before we go.
  const auto pipe_before = std::signal(SIGPIPE, SIG_IGN);
  status.pipe_kills = pipe_before == SIG_DFL;
  parse_and_run(argc, argv, status);
  flush_output(status);
  std::signal(SIGPIPE, pipe_before);
  if (status.signal != 0) {
    std::signal(status.signal, SIG_DFL);
    std::raise(status.signal);
  }
  return status.value;
}

}  // namespace sallyport::cli
