#include "cli/run.h"

#include "cli/bench.h"
#include "cli/cert.h"
#include "cli/command.h"
#include "cli/gateway.h"
#include "cli/get.h"
#include "cli/trace.h"

#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace sallyport::cli {
namespace {

/// CLI11's words as one sentence in one line, with where to look further.
Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::string text = error.what();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  std::string command = app.get_name();
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    command += " " + at->get_name();
  }
  return {ErrorKind::usage, text + " (see " + command + " --help)"};
}

/// Started with one of them closed, the next file or socket that is opened would get its number, and what is
/// printed.
void keep_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    while (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) >= 0) {
    }
}

}  // namespace

int run(int argc, char** argv) {
  keep_standard_descriptors();
  ExitStatus status;
  CLI::App app("HTTP/3 out of a network (MASQUE) and into one", "sallyport");
  app.set_version_flag("--version", "sallyport " SALLYPORT_VERSION);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  add_gateway(app, status);
  add_get(app, status);
  add_bench(app, status);
  add_cert(app, status);
  add_trace(app, status);
  try {
    app.parse(argc, argv);
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
