#include "cli/proxy_environment.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace sallyport::cli {
namespace {

/// Whether `list`, a no_proxy variable, names `host` or a domain that it is in, as curl reads it.
bool excludes(std::string_view list, std::string_view host) {
  constexpr std::string_view separators = ", \t";
  if (host.ends_with('.')) host.remove_suffix(1);
  while (!list.empty()) {
    std::string_view name = list.substr(0, list.find_first_of(separators));
    list.remove_prefix(std::min(name.size() + 1, list.size()));
    if (name == "*") return true;
    if (name.starts_with('.')) name.remove_prefix(1);
    if (name.empty() || !host.ends_with(name)) continue;
    if (host.size() == name.size() || host[host.size() - name.size() - 1] == '.') return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> unused_proxy_note(std::span<const dial::Url> urls,
                                             const std::function<const char*(const char*)>& variable) {
  const auto value = [&variable](const char* name) {
    const char* const text = variable(name);
    return std::string_view(text == nullptr ? "" : text);
  };
  std::string_view no_proxy = value("no_proxy");
  if (no_proxy.empty()) no_proxy = value("NO_PROXY");
  if (std::all_of(urls.begin(), urls.end(),
                  [&](const dial::Url& url) { return excludes(no_proxy, url.host); }))
    return std::nullopt;
  for (const char* const name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
    if (!value(name).empty())
      return fmt::format("{} is set, but get does not use it; give a MASQUE proxy with --via", name);
  return std::nullopt;
}

}  // namespace sallyport::cli
