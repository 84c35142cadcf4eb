#include "gateway/access.h"

#include <algorithm>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

Result<> check_proxy(const Settings& settings) {
  const bool proxy = settings.masque_udp || settings.masque_tcp;
  if (!settings.token_file.empty() && settings.open_proxy)
    return fail(ErrorKind::usage,
                "--token-file and --open-proxy contradict each other; give --token-file for those who have a "
                "token, --open-proxy for everybody");
  if (!proxy && !settings.token_file.empty())
    return fail(ErrorKind::usage,
                "--token-file says who may use --masque, which is not given; it guards no files");
  if (!proxy && !settings.allow.empty())
    return fail(ErrorKind::usage, "--allow is for --masque, which is not given");
  if (!proxy && !settings.allow_ports.empty())
    return fail(ErrorKind::usage, "--allow-port is for --masque, which is not given");
  if (!proxy && settings.open_proxy)
    return fail(ErrorKind::usage, "--open-proxy is for --masque, which is not given");
  if (!proxy || !settings.token_file.empty() || settings.open_proxy) return {};
  const auto open =
      std::ranges::find_if(settings.listen, [](const auto& address) { return !address.ip().is_loopback(); });
  if (open == settings.listen.end()) return {};
  return fail(
      ErrorKind::usage,
      fmt::format("--masque on {}, which other machines can reach, would be an open proxy; give "
                  "--token-file FILE with a line NAME TOKEN for each user, or --open-proxy if that is "
                  "meant",
                  open->to_string()));
}

Result<> check_admin(const Settings& settings) {
  if (!settings.admin && settings.admin_socket.empty() && !settings.admin_token_file.empty())
    return fail(ErrorKind::usage,
                "--admin-token-file says who may see the pages of --admin, which is not given");
  if (!settings.admin || settings.admin->ip().is_loopback() || !settings.admin_token_file.empty()) return {};
  return fail(
      ErrorKind::usage,
      fmt::format("--admin {}, which other machines reach, would show its pages to everybody; give "
                  "--admin-token-file FILE with a line NAME TOKEN for each reader, or a loopback address, or "
                  "--admin unix:PATH",
                  settings.admin->to_string()));
}

}  // namespace

Result<> check_access(const Settings& settings) {
  if (auto checked = check_proxy(settings); !checked) return checked;
  return check_admin(settings);
}

}  // namespace sallyport::gateway
