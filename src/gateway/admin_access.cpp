#include "gateway/admin_access.h"

namespace sallyport::gateway {

admin::ServiceOptions admin_options(const Settings& settings) {
  return {settings.admin, settings.admin_socket, settings.admin_token_file};
}

Result<> check_admin(const Settings& settings) {
  if (auto done = admin::check_access(admin_options(settings)); !done) return done;
  // HTTP/3 listens on UDP alone, the admin pages on TCP.
  if (!settings.admin || !settings.tcp) return {};
  return config::check_named_once("--admin", *settings.admin, settings.listen);
}

}  // namespace sallyport::gateway
