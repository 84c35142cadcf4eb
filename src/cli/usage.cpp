#include "cli/usage.h"

#include "cli/help.h"
#include "cli/known_elsewhere.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

/// The optimal string alignment distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, row);
  }
  return last[b.size()];
}

/// As they are typed, dashes and all.
std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<std::string> subcommands_of(CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  return text;
}

struct Command {
  CLI::App* app;
  std::string name;  ///< with those that it is below: "sallyport trace summary"
};

Command command_of(CLI::App& app) {
  Command command{&app, app.get_name()};
  while (!command.app->get_subcommands().empty()) {
    command.app = command.app->get_subcommands().front();
    command.name += " " + command.app->get_name();
  }
  return command;
}

/// `--masque udp tcp`: a flag that takes a list, with two words behind it.
std::string one_too_many(const CLI::App& app, const std::string& word) {
  std::string text = fmt::format("'{}' is one argument too many", word);
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_delimiter() == '\0' || option->count() == 0) continue;
    std::string list;
    for (const std::string& value : option->results()) list += value + option->get_delimiter();
    text += fmt::format("; where it is meant for --{0}, write one list: --{0} {1}{2}",
                        option->get_lnames().front(), list, word);
  }
  return text;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Of short flags in one word, "-sSL", the first that the command does not have.
std::string first_unknown(const std::string& word, const std::vector<std::string>& flags) {
  if (word.starts_with("--")) return word;
  for (const char letter : word.substr(1))
    if (const std::string flag{'-', letter}; std::ranges::find(flags, flag) == flags.end()) return flag;
  return word;
}

/// What follows a flag that takes a password in curl and its kind, "-ualice:secret", is not repeated.
std::string without_secret(const std::string& word) {
  for (const std::string_view flag :
       {"--user=", "--proxy-user=", "--token=", "--password=", "--oauth2-bearer=", "-u", "-U"})
    if (word.starts_with(flag) && word.size() > flag.size()) return fmt::format("{}...", flag);
  return word;
}

/// "--fil" for "--files": the flags that begin so, where they are few.
std::optional<std::string> begun_flags(const std::string& name, const std::vector<std::string>& flags) {
  constexpr std::size_t fewest_letters = 2, most_flags = 3;
  if (!name.starts_with("--") || name.size() < 2 + fewest_letters) return std::nullopt;
  std::vector<std::string> begun;
  std::ranges::copy_if(flags, std::back_inserter(begun),
                       [&name](const std::string& flag) { return flag.starts_with(name); });
  if (begun.empty() || begun.size() > most_flags) return std::nullopt;
  return fmt::format("did you mean {}?", listed(begun));
}

std::string unknown_flag(const Command& command, const std::string& word) {
  const std::vector<std::string> flags = flags_of(*command.app);
  const std::string name = word.substr(0, word.find('='));
  const auto said = [&command](const std::string& what, const std::optional<std::string>& hint) {
    return fmt::format("{} has no flag {}{}{}", command.name, what, hint ? "; " : "", hint.value_or(""));
  };
  const std::string quoted = fmt::format("'{}'", without_secret(word));
  if (const auto hint = flag_known_elsewhere(name, flags)) return said(quoted, hint);
  if (const auto hint = begun_flags(name, flags)) return said(quoted, hint);
  if (const auto nearest = nearest_word(name, flags))
    return said(quoted, fmt::format("did you mean {}?", *nearest));
  const std::string flag = first_unknown(name, flags);
  return said(flag == name ? quoted : fmt::format("'{}', of {}", flag, quoted),
              flag_known_elsewhere(flag, flags));
}

/// Of a word that no command knows.
std::string unknown_word(const Command& command, const std::string& word) {
  if (word.size() > 1 && word.front() == '-') return unknown_flag(command, word);
  const std::vector<std::string> commands = subcommands_of(*command.app);
  if (commands.empty()) return one_too_many(*command.app, word);
  auto meant = nearest_word(word, commands);
  if (!meant) meant = command_known_elsewhere(word);
  if (meant && std::ranges::find(commands, *meant) == commands.end()) meant.reset();
  const std::string hint = meant ? fmt::format("did you mean {}?", *meant) : "it has " + listed(commands);
  return fmt::format("{} has no command '{}'; {}", command.name, word, hint);
}

Error usage_error_of(const Command& command, const std::string& text) {
  return {ErrorKind::usage, fmt::format("{} (see {} --help)", text, command.name)};
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  return text;
}

CLI::App* subcommand_of(CLI::App& app, const std::string& word) {
  const auto commands = app.get_subcommands({});
  const auto found =
      std::ranges::find(commands, word, [](const CLI::App* command) { return command->get_name(); });
  return found == commands.end() ? nullptr : *found;
}

/// The flag of `app` that `word` names, and that needs a value behind it.
const CLI::Option* wants_value(CLI::App& app, const std::string& word) {
  const CLI::Option* option =
      word.size() > 1 && word.front() == '-' ? app.get_option_no_throw(word) : nullptr;
  return option && option->get_items_expected_min() > 0 ? option : nullptr;
}

/// What CLI11 takes for an argument, or does not look at where --help is asked for.
bool is_unknown(const CLI::App& app, const std::string& word) {
  if (word.empty() || word.front() != '-') return !app.get_subcommands({}).empty();
  return word.size() > 1 && is_digit(word[1]) && app.get_option_no_throw(word.substr(0, 2)) == nullptr;
}

/// CLI11 names the flag, as "--days: Value x not in range ..." or "Could not convert: --days = x".
std::optional<std::string> wrong_value(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_name() != "ValidationError" && error.get_name() != "ConversionError") return std::nullopt;
  const std::string said = error.what();
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    const bool is_outside = said.starts_with(name + ": ");
    if (!is_outside && !said.starts_with("Could not convert: " + name + " = ")) continue;
    const std::string wanted = wanted_text(*option);
    if (wanted.empty() || option->results().empty()) return std::nullopt;
    std::string value = option->results().back();
    for (const std::string& each : option->results())
      if (said.find(each + " not in ") != std::string::npos) value = each;
    return fmt::format("{} {}: it takes {}", name, value.empty() ? "''" : value, wanted);
  }
  return std::nullopt;
}

/// A flag that takes one value and was given more. CLI11 says "--days: At Most 1 required but received 2".
std::optional<std::string> given_again(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_name() != "ArgumentMismatch") return std::nullopt;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() != 1 || option->count() < 2) continue;
    const std::string times = option->count() == 2 ? "twice" : fmt::format("{} times", option->count());
    return fmt::format("{} was given {}; it is taken once", option->get_name(), times);
  }
  return std::nullopt;
}

bool wants_nothing(const CLI::App& app, char letter) {
  const CLI::Option* option = app.get_option_no_throw(std::string{'-', letter});
  return option != nullptr && option->get_items_expected_min() == 0;
}

/// Where in a word of short flags curl's offset of -C begins, "-C-", "-LC"; 0: there is no -C that it could
/// be of.
std::size_t behind_resume(const CLI::App& get, const std::string& word) {
  if (word.size() < 2 || word.front() != '-' || word[1] == '-') return 0;
  for (std::size_t at = 1; at < word.size(); ++at) {
    if (!wants_nothing(get, word[at])) return 0;
    if (word[at] == 'C') return at + 1;
  }
  return 0;
}

}  // namespace

std::optional<std::string> nearest_word(std::string_view word, const std::vector<std::string>& known) {
  // One letter in three may be wrong.
  std::size_t least = std::max<std::size_t>(word.size() / 3, 1) + 1;
  std::optional<std::string> nearest;
  for (const std::string& candidate : known) {
    const std::size_t away = distance(word, candidate);
    // With every letter of a short word wrong, nothing of it is left.
    if (away >= least || away + 1 >= candidate.size()) continue;
    least = away;
    nearest = candidate;
  }
  return nearest;
}

Result<> check_words(CLI::App& app, const std::vector<std::string>& words) {
  Command command{&app, app.get_name()};
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") break;
    if (CLI::App* below = subcommand_of(*command.app, words[i])) {
      command.app = below;
      command.name += " " + below->get_name();
      continue;
    }
    if (is_unknown(*command.app, words[i]))
      return std::unexpected(usage_error_of(command, unknown_word(command, words[i])));
    const CLI::Option* option = wants_value(*command.app, words[i]);
    if (!option) continue;
    if (++i == words.size()) break;  // CLI11 says that the value is missing
    const std::string& value = words[i];
    if (value.size() > 1 && value.front() == '-' && command.app->get_option_no_throw(value))
      return std::unexpected(usage_error_of(
          command,
          fmt::format("{0} needs a value, {1}, and the flag {2} follows it; where {2} is meant as the value, "
                      "write {3}{2}",
                      words[i - 1], value_text(*option), value,
                      words[i - 1].starts_with("--") ? words[i - 1] + "=" : words[i - 1])));
  }
  return {};
}

Result<> take_resume_offset(CLI::App& app, std::vector<std::string>& words) {
  CLI::App* const get = words.empty() || words.front() != "get" ? nullptr : subcommand_of(app, "get");
  if (get == nullptr) return {};
  for (std::size_t i = 1; i < words.size() && words[i] != "--"; ++i) {
    if (wants_value(*get, words[i])) {
      ++i;
      continue;
    }
    const std::size_t at = behind_resume(*get, words[i]);
    if (at == 0) continue;
    const bool is_within = at < words[i].size();
    const std::string offset = is_within ? words[i].substr(at) : i + 1 < words.size() ? words[i + 1] : "";
    if (is_within && wants_nothing(*get, words[i][at])) continue;  // "-C4" is -C and -4
    if (offset == "-" && is_within) {
      words[i].pop_back();
    } else if (offset == "-") {
      words.erase(words.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    } else if (!offset.empty() && std::ranges::all_of(offset, is_digit)) {
      return fail(ErrorKind::usage,
                  fmt::format("-C {0}: get takes no offset, it goes on where FILE.part ends; write -C - or "
                              "--resume, or ask for a part by -H 'Range: bytes={0}-'",
                              offset));
    }
  }
  return {};
}

Error usage_error(CLI::App& app, const CLI::ParseError& error) {
  const Command command = command_of(app);
  const std::vector<std::string> unknown = app.remaining(true);
  std::string text = one_line(error.what());
  if (!unknown.empty())
    text = unknown_word(command, unknown.front());
  else if (!subcommands_of(*command.app).empty())
    text = "a command is missing: " + listed(subcommands_of(*command.app));
  else if (const auto wrong = wrong_value(*command.app, error))
    text = *wrong;
  else if (const auto again = given_again(*command.app, error))
    text = *again;
  return usage_error_of(command, text);
}

}  // namespace sallyport::cli
