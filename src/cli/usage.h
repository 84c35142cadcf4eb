// What is wrong with a command line, in one sentence that names the word and, where there is one, the known
// word nearest to it. Used by cli::run() before and after CLI11 has parsed.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace sallyport::cli {

/// Of `known`, the word that is nearest to `word`, by insertions, deletions, replacements and swaps of
/// neighbouring letters; nothing where none is near enough to be meant.
std::optional<std::string> nearest_word(std::string_view word, const std::vector<std::string>& known);

/// What CLI11 would take for something else: a flag that wants a value and is followed by another flag,
/// `--self-signed --files DIR` (a value that does look like a flag is written `--flag=VALUE`); a digit as an
/// unknown flag, `-1`; an unknown command before --help. `words` are the arguments behind the program's name.
Result<> check_words(CLI::App& app, const std::vector<std::string>& words);

/// curl's `-C -` is our `-C`: takes the dash out of the words of `get`. Offsets in numbers are an error.
Result<> take_resume_offset(CLI::App& app, std::vector<std::string>& words);

/// What CLI11 says of a command line, as one sentence with where to look further; ErrorKind::usage.
/// What is not known at all is named first: it is the likelier reason that something else is missing.
Error usage_error(CLI::App& app, const CLI::ParseError& error);

}  // namespace sallyport::cli
