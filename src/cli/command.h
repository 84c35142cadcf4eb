// What every subcommand shares: the exit status that it leaves, and how it says that it failed.
#pragma once

#include "base/of_flag.h"
#include "base/result.h"

#include <cstdio>
#include <functional>
#include <string_view>

namespace sallyport::net {
class EventLoop;
}

namespace sallyport::cli {

struct ExitStatus {
  int value = 0;   ///< 0: done; 1: the work failed; 2: the command line is wrong
  int signal = 0;  ///< what the program dies by when all is said, so that a shell's loop ends too; 0: none
  /// Whoever started us left SIGPIPE as it was: a reader that is gone ends the program without a word.
  bool pipe_kills = false;
};

/// Prints "sallyport: <sentence>" to stderr. Escaped, as all that is printed here: what a peer or a file said
/// may stand in it.
void say(std::string_view sentence);
/// Prints figures: lines of ours.
void print(std::FILE* to, std::string_view lines);

/// Says the error; 2 for ErrorKind::usage, 1 for every other.
void fail_with(const Error& error, ExitStatus& status);

/// What was printed on standard output and did not get out is an error: a full disk, a closed pipe. To be
/// called at the end.
void flush_output(ExitStatus& status);

/// On SIGINT, SIGTERM and SIGHUP, unless whoever started us has them ignored, `interrupt` is called and the
/// program dies by the signal when the work has ended; a second SIGINT or SIGTERM ends it at once, unless it
/// is a copy of the first (SignalCopies).
void end_by_signals(net::EventLoop& loop, ExitStatus& status, std::function<void()> interrupt);

/// Takes the status that the work ended with, or fails with its error.
void finish_with(const Result<int>& outcome, ExitStatus& status);

}  // namespace sallyport::cli
