// Checks the access settings of the admin pages: they are never public by omission.
#pragma once

#include "base/result.h"
#include "gateway/settings.h"

namespace sallyport::gateway {

/// An error of kind usage where the pages are reachable from other machines and no token file is given, or
/// where the settings contradict each other. The sentence names the remedy.
Result<> check_admin(const Settings& settings);

}  // namespace sallyport::gateway
