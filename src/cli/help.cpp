#include "cli/help.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sallyport::cli {
namespace {

struct Value {
  std::string name;
  std::string bounds;  ///< " (1 to 10)", or nothing
};

/// "1e+09" as CLI11 writes it, in digits.
std::string in_digits(const std::string& number) {
  if (number.find('e') == std::string::npos) return number;
  return fmt::format("{:.0f}", std::strtod(number.c_str(), nullptr));
}

/// CLI11 puts the names of the type and of its check together: "S:FLOAT in [0.1 - 86400]", "INT:INT in [1 -
/// 10]", "TEXT:{a,b}".
Value value_of(const std::string& type) {
  constexpr std::string_view range = " in [", choice = ":{", to = " - ";
  if (const auto at = type.find(choice); at != std::string::npos && type.ends_with('}')) {
    std::string words = type.substr(at + choice.size(), type.size() - at - choice.size() - 1);
    std::ranges::replace(words, ',', '|');
    return {std::move(words), {}};
  }
  const auto at = type.find(range), middle = type.find(to);
  if (at == std::string::npos || middle == std::string::npos || !type.ends_with(']')) return {type, {}};
  std::string name = type.substr(0, type.rfind(':', at));
  if (name == "INT" || name == "UINT" || name == "FLOAT") name = "N";
  const std::string least = type.substr(at + range.size(), middle - at - range.size());
  const std::string most = type.substr(middle + to.size(), type.size() - middle - to.size() - 1);
  return {std::move(name), fmt::format(" ({} to {})", in_digits(least), in_digits(most))};
}

/// "auto, h3 or h2" of "auto|h3|h2".
std::string as_choice(std::string words) {
  if (const auto last = words.rfind('|'); last != std::string::npos) words.replace(last, 1, " or ");
  for (auto at = words.find('|'); at != std::string::npos; at = words.find('|')) words.replace(at, 1, ", ");
  return words;
}

}  // namespace

std::string value_text(const CLI::Option& option) {
  const auto [name, bounds] = value_of(option.get_type_name());
  return name + bounds;
}

std::string wanted_text(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const auto [name, bounds] = value_of(type);
  if (bounds.empty()) return type.find(":{") == std::string::npos ? std::string() : as_choice(name);
  const bool is_whole = type.find("FLOAT in [") == std::string::npos;
  const char* const what = name == "S"      ? "a number of seconds"
                           : name == "PORT" ? "a port"
                           : is_whole       ? "a whole number"
                                            : "a number";
  return fmt::format("{} from {}", what, bounds.substr(2, bounds.size() - 3));
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  // What CLI11 writes begins with the type and the default; what follows them stays.
  std::string text = CLI::Formatter::make_option_opts(option);
  const std::string type = " " + option->get_type_name(), value = option->get_default_str();
  if (!text.starts_with(type)) return text;
  std::string_view rest = std::string_view(text).substr(type.size());
  // As CLI11 2.3 and as 2.4 write a default.
  for (const std::string& written : {"=" + value, " [" + value + "] "})
    if (!value.empty() && rest.starts_with(written)) rest.remove_prefix(written.size());
  const auto [name, bounds] = value_of(option->get_type_name());
  return fmt::format(" {}{}{}{}{}", name, value.empty() ? "" : "=", value, bounds, rest);
}

}  // namespace sallyport::cli
