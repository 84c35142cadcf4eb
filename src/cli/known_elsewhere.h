// What curl, Wget, load generators and other servers call a command or a flag, and what it is called here:
// for what usage.h says of a command line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

/// The command that does what `word` ("serve", "curl") does elsewhere.
std::optional<std::string> command_known_elsewhere(std::string_view word);

/// What to do in place of `flag` ("--cacert", "-u"), as the rest of a sentence: "did you mean --ca FILE?".
/// `flags` are those of the command, dashes and all: one of them must be what is meant.
std::optional<std::string> flag_known_elsewhere(std::string_view flag, const std::vector<std::string>& flags);

}  // namespace sallyport::cli
