#include "gateway/admin_access.h"

#include <fmt/format.h>

namespace sallyport::gateway {

Result<> check_admin(const Settings& settings) {
  if (!settings.admin && settings.admin_socket.empty() && !settings.admin_token_file.empty())
    return fail(ErrorKind::usage, "--admin-token-file protects the pages of --admin, which is not given");
  // HTTP/3 listens on UDP alone, the admin pages on TCP.
  if (settings.admin && settings.tcp)
    if (auto done = config::check_named_once("--admin", *settings.admin, settings.listen); !done) return done;
  if (!settings.admin || settings.admin->ip().is_loopback() || !settings.admin_token_file.empty()) return {};
  return fail(
      ErrorKind::usage,
      fmt::format("--admin {}, which other machines reach, would show its pages to everybody; give "
                  "--admin-token-file FILE with a line NAME TOKEN for each reader, or a loopback address, or "
                  "--admin unix:PATH",
                  settings.admin->to_string()));
}

}  // namespace sallyport::gateway
