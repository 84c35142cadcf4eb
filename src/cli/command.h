// What every subcommand shares: the exit status that it leaves, and how it says that it failed.
#pragma once

#include "base/result.h"

#include <cstdio>
#include <string_view>

namespace sallyport::cli {

/// 0: done; 1: the work failed; 2: the command line is wrong.
struct ExitStatus {
  int value = 0;
};

/// Prints "sallyport: <sentence>" to stderr. Escaped, as all that is printed here: what a peer or a file said
/// may stand in it.
void say(std::string_view sentence);
/// Prints figures: lines of ours.
void print(std::FILE* to, std::string_view lines);

/// Says the error; 2 for ErrorKind::usage, 1 for every other.
void fail_with(const Error& error, ExitStatus& status);

/// Takes the status that the work ended with, or fails with its error.
void finish_with(const Result<int>& outcome, ExitStatus& status);

}  // namespace sallyport::cli
