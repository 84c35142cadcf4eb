// Runs a command line as main() does, with what it prints: for the tests of cli.
#pragma once

#include "cli/run.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::cli::test {

struct Outcome {
  int status;
  std::string out, err;
};

/// `arguments`: without the program's name.
inline Outcome sallyport(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "sallyport");
  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = run(static_cast<int>(argv.size()), argv.data());
  return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

}  // namespace sallyport::cli::test
