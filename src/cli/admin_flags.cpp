#include "cli/admin_flags.h"

#include "base/of_flag.h"
#include "net/listen_address.h"

#include <string_view>

#include <CLI/CLI.hpp>

namespace sallyport::cli {

void add_admin_flags(CLI::App& app, std::string& admin, std::string& token_file) {
  app.add_option("--admin", admin,
                 "Serve /healthz, /readyz and /metrics here, without TLS (and a gateway /leases)")
      ->type_name("HOST:PORT|unix:PATH");
  app.add_option("--admin-token-file", token_file,
                 "Show /metrics to those who have a bearer token of this file: one NAME TOKEN a line")
      ->type_name("FILE");
}

Result<admin::ServiceOptions> read_admin(const std::string& text) {
  admin::ServiceOptions options;
  if (text.empty()) return options;
  constexpr std::string_view unix_prefix = "unix:";
  if (text.starts_with(unix_prefix)) {
    options.socket = text.substr(unix_prefix.size());
    if (options.socket.empty())
      return fail(ErrorKind::usage, "--admin unix: needs the path of a Unix-domain socket, unix:PATH");
    return options;
  }
  const auto addresses = net::parse_listen(text, "HOST:PORT, [IPV6]:PORT, :PORT or unix:PATH");
  if (!addresses) return of_flag("--admin", addresses.error());
  options.address = addresses->front();
  return options;
}

}  // namespace sallyport::cli
