#include "cli/command.h"

#include "base/escape.h"

#include <string>

namespace sallyport::cli {

void say(std::string_view sentence) {
  const std::string line = "sallyport: " + escaped(sentence) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void print(std::FILE* to, std::string_view lines) {
  const std::string text = escaped_page(lines);
  std::fwrite(text.data(), 1, text.size(), to);
}

void fail_with(const Error& error, ExitStatus& status) {
  say(error.message);
  status.value = error.kind == ErrorKind::usage ? 2 : 1;
}

void finish_with(const Result<int>& outcome, ExitStatus& status) {
  if (outcome)
    status.value = *outcome;
  else
    fail_with(outcome.error(), status);
}

}  // namespace sallyport::cli
