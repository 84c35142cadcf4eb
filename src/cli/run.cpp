#include "cli/run.h"

#include "cli/bench.h"
#include "cli/cert.h"
#include "cli/command.h"
#include "cli/gateway.h"
#include "cli/get.h"
#include "cli/trace.h"
#include "cli/usage.h"
#include "cli/version.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace sallyport::cli {
namespace {

/// Started with one of them closed, the next file or socket that is opened would get its number, and what is
/// printed.
void keep_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    while (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) >= 0) {
    }
}

/// `help`, `help COMMAND...` and `version`, which many programs know, as the flags that ours has for them.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) return words;
  if (words.front() == "version") words.front() = "--version";
  if (words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  return words;
}

}  // namespace

int run(int argc, char** argv) {
  keep_standard_descriptors();
  ExitStatus status;
  CLI::App app("HTTP/3 out of a network (MASQUE) and into one", "sallyport");
  app.set_version_flag("-V,--version", version_text(), "Print the version and those of the libraries");
  app.set_help_flag("-h,--help", "Print this help");
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  add_gateway(app, status);
  add_get(app, status);
  add_bench(app, status);
  add_cert(app, status);
  add_trace(app, status);
  std::vector<std::string> words = words_of(argc, argv);
  try {
    if (auto checked = check_flag_values(app, words); !checked) {
      fail_with(checked.error(), status);
      return status.value;
    }
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(std::move(words));
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help and --version
  } catch (const CLI::ParseError& error) {
    fail_with(usage_error(app, error), status);
  } catch (const std::exception& error) {
    fail_with({ErrorKind::resource, error.what()}, status);
  }
  // What was printed may not have got out: a full disk, a closed pipe.
  if (std::fflush(stdout) != 0 && status.value == 0) {
    fail_with({ErrorKind::file, "cannot write to standard output"}, status);
  }
  return status.value;
}

}  // namespace sallyport::cli
