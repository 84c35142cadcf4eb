#include "gateway/run_as.h"

#include "base/of_flag.h"

#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

constexpr std::string_view flag = "--user";

}  // namespace

Result<std::optional<User>> find_user(const Settings& settings) {
  if (settings.user.empty()) return std::nullopt;
  auto user = User::find(settings.user);
  if (!user) return of_flag(flag, user.error());
  if (::geteuid() != 0)
    return fail(ErrorKind::usage,
                fmt::format("--user {} is for a gateway that root starts, which this one is not; leave it "
                            "out, or start it as root",
                            settings.user));
  return *std::move(user);
}

Result<> as_user(const std::optional<User>& user, const std::function<Result<>()>& work) {
  if (!user) return work();
  bool acted = false;
  auto done = user->act([&] {
    acted = true;
    return work();
  });
  if (done) return done;
  Error& error = done.error();
  if (!acted) return of_flag(flag, error);
  if (error.code == EACCES || error.code == EPERM)
    error.message += fmt::format("; it is for the user {} (--user), who has to have access", user->name());
  return done;
}

}  // namespace sallyport::gateway
