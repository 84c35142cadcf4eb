#include "cli/help.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace sallyport::cli {
namespace {

struct Value {
  std::string name;
  std::string bounds;  ///< " (1 to 10)", or nothing
};

/// CLI11 puts the names of the type and of its check together: "S:FLOAT in [0.1 - 86400]", "INT:INT in [1 -
/// 10]", "TEXT:{a,b}".
Value value_of(const std::string& type) {
  constexpr std::string_view range = " in [", choice = ":{", to = " - ";
  if (const auto at = type.find(choice); at != std::string::npos && type.ends_with('}')) {
    std::string words = type.substr(at + choice.size(), type.size() - at - choice.size() - 1);
    std::ranges::replace(words, ',', '|');
    return {std::move(words), {}};
  }
  const auto at = type.find(range);
  if (at == std::string::npos || !type.ends_with(']')) return {type, {}};
  std::string name = type.substr(0, type.rfind(':', at));
  if (name == "INT" || name == "UINT" || name == "FLOAT") name = "N";
  std::string bounds = type.substr(at + range.size(), type.size() - at - range.size() - 1);
  if (const auto middle = bounds.find(to); middle != std::string::npos)
    bounds.replace(middle, to.size(), " to ");
  return {std::move(name), " (" + bounds + ")"};
}

}  // namespace

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  const std::string type = option->get_type_name();
  const auto [name, bounds] = value_of(type);
  if (option->get_type_size() == 0 || name == type) return CLI::Formatter::make_option_opts(option);
  std::string text = " " + name;
  if (!option->get_default_str().empty()) text += "=" + option->get_default_str();
  return text + bounds;
}

}  // namespace sallyport::cli
