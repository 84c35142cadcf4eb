// The whole program behind main(): the command line, its subcommands, and the exit status.
#pragma once

namespace sallyport::cli {

/// 0: done; 1: the work failed; 2: the command line is wrong. Interrupted by a signal, the program dies by it
/// once it has tidied up.
int run(int argc, char** argv);

}  // namespace sallyport::cli
