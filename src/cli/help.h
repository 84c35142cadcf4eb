// The help of all commands: how a flag's value, its default and its bounds are written. Used by cli::run()
// when it makes the program's CLI::App, whose subcommands inherit it.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace sallyport::cli {

/// What a flag takes, for people: "S (0.1 to 86400)", "auto|h3|h2|h1", "FILE".
std::string value_text(const CLI::Option& option);

/// The same as the object of a sentence, "a number of seconds from 0.1 to 86400", "auto, h3, h2 or h1"; empty
/// where it has no bounds.
std::string wanted_text(const CLI::Option& option);

/// CLI11's, but for what follows a flag's name: "S=30 (0.1 to 86400)" instead of
/// "S:FLOAT in [0.1 - 86400]=30", and "auto|h3|h2|h1=auto" instead of "TEXT:{auto,h3,h2,h1}=auto".
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override;
};

}  // namespace sallyport::cli
