// As whom the gateway runs (--user): root opens what needs it, and whatever is read or made again later is
// read and made as that user from the start.
#pragma once

#include "base/user.h"
#include "gateway/settings.h"

#include <functional>
#include <optional>

namespace sallyport::gateway {

/// Nullopt: as whoever started it. Errors name the flag and the remedy.
Result<std::optional<User>> find_user(const Settings& settings);

/// Runs `work` as `user`. An error of access says whose it is.
Result<> as_user(const std::optional<User>& user, const std::function<Result<>()>& work);

}  // namespace sallyport::gateway
