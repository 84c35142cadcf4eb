#include "cli/command.h"

#include <cstdio>

namespace sallyport::cli {

void fail_with(const Error& error, ExitStatus& status) {
  std::fprintf(stderr, "sallyport: %s\n", error.message.c_str());
  status.value = error.kind == ErrorKind::usage ? 2 : 1;
}

void finish_with(const Result<int>& outcome, ExitStatus& status) {
  if (outcome)
    status.value = *outcome;
  else
    fail_with(outcome.error(), status);
}

}  // namespace sallyport::cli
