#include "cli/usage.h"

#include "cli/help.h"

#include <algorithm>
#include <array>
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

/// What curl, Wget and other servers call a flag, and what it is called here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> known_elsewhere{{
    {"--cacert", "--ca FILE"},
    {"-x", "--via PROXY"},
    {"--proxy", "--via PROXY"},
    {"-s", "-q"},
    {"--silent", "-q"},
    {"--port", "--listen HOST:PORT"},
    {"-p", "--listen HOST:PORT"},
    {"--root", "--files DIR"},
    {"--http3", "--http h3"},
    {"--http3-only", "--http h3"},
    {"--http2", "--http h2"},
    {"--http1.1", "--http h1"},
    {"--connect-timeout", "--timeout S"},
    {"--continue", "--resume"},
    {"--no-check-certificate", "--insecure"},
    {"--duration", "--seconds S"},
}};

std::optional<std::string> name_here(const CLI::App& app, std::string_view flag) {
  const auto found = std::ranges::find(known_elsewhere, flag, [](const auto& names) { return names.first; });
  if (found == known_elsewhere.end()) return std::nullopt;
  std::string here(found->second);
  const auto flags = flags_of(app);
  if (std::ranges::find(flags, here.substr(0, here.find(' '))) == flags.end()) return std::nullopt;
  return here;
}

/// Of a word that no command knows.
std::string unknown_word(const Command& command, const std::string& word) {
  const std::vector<std::string> commands = subcommands_of(*command.app);
  const bool is_flag = word.size() > 1 && word.front() == '-';
  if (!is_flag && commands.empty()) return one_too_many(*command.app, word);
  const std::string name = word.substr(0, word.find('='));
  auto nearest = is_flag ? name_here(*command.app, name) : std::nullopt;
  if (!nearest) nearest = nearest_word(name, is_flag ? flags_of(*command.app) : commands);
  std::string text = fmt::format("{} has no {} '{}'", command.name, is_flag ? "flag" : "command", word);
  if (nearest)
    text += fmt::format("; did you mean {}?", *nearest);
  else if (!is_flag)
    text += fmt::format("; it has {}", listed(commands));
  return text;
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

Result<> check_flag_values(CLI::App& app, const std::vector<std::string>& words) {
  CLI::App* command = &app;
  std::string name = app.get_name();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") break;
    if (CLI::App* below = subcommand_of(*command, words[i])) {
      command = below;
      name += " " + below->get_name();
      continue;
    }
    const CLI::Option* option = wants_value(*command, words[i]);
    if (!option) continue;
    if (++i == words.size()) break;  // CLI11 says that the value is missing
    const std::string& value = words[i];
    if (value.size() > 1 && value.front() == '-' && command->get_option_no_throw(value))
      return fail(
          ErrorKind::usage,
          fmt::format("{0} needs a value, {1}, and the flag {2} follows it; where {2} is meant as the value, "
                      "write {3}{2} (see {4} --help)",
                      words[i - 1], value_text(*option), value,
                      words[i - 1].starts_with("--") ? words[i - 1] + "=" : words[i - 1], name));
  }
  return {};
}

Error usage_error(CLI::App& app, const CLI::ParseError& error) {
  const Command command = command_of(app);
  const std::vector<std::string> unknown = app.remaining(true);
  std::string text = one_line(error.what());
  constexpr std::string_view not_converted = "Could not convert: ";
  if (text.starts_with(not_converted)) text = "a value cannot be used: " + text.substr(not_converted.size());
  if (!unknown.empty())
    text = unknown_word(command, unknown.front());
  else if (!subcommands_of(*command.app).empty())
    text = "a command is missing: " + listed(subcommands_of(*command.app));
  return {ErrorKind::usage, text + " (see " + command.name + " --help)"};
}

}  // namespace sallyport::cli
