// What every subcommand shares: the exit status that it leaves, and how it says that it failed.
#pragma once

#include "base/result.h"

namespace sallyport::cli {

/// 0: done; 1: the work failed; 2: the command line is wrong.
struct ExitStatus {
  int value = 0;
};

/// Prints "sallyport: <sentence>" to stderr; 2 for ErrorKind::usage, 1 for every other.
void fail_with(const Error& error, ExitStatus& status);

/// Takes the status that the work ended with, or fails with its error.
void finish_with(const Result<int>& outcome, ExitStatus& status);

}  // namespace sallyport::cli
