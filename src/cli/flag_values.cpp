#include "cli/flag_values.h"

#include <fmt/format.h>

namespace sallyport::cli {

Duration seconds(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

Result<> read_prefixes(std::string_view flag, const std::vector<std::string>& texts,
                       std::vector<net::IpPrefix>& to) {
  for (const std::string& text : texts) {
    const auto prefix = net::IpPrefix::parse(text);
    if (!prefix)
      return fail(
          ErrorKind::usage,
          fmt::format("{} '{}' is not a prefix; write it as 10.0.0.0/8, 2001:db8::/32 or one address, "
                      "without host bits",
                      flag, text));
    to.push_back(*prefix);
  }
  return {};
}

}  // namespace sallyport::cli
