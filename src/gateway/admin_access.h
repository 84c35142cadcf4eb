// Checks the settings of the admin pages: they are never public by omission, and on no listener's port.
#pragma once

#include "admin/service.h"
#include "base/result.h"
#include "gateway/settings.h"

namespace sallyport::gateway {

admin::ServiceOptions admin_options(const Settings& settings);

/// An error of kind usage where the pages are reachable from other machines and no token file is given, where
/// a listener takes their port, or where the settings contradict each other. The sentence names the remedy.
Result<> check_admin(const Settings& settings);

}  // namespace sallyport::gateway
