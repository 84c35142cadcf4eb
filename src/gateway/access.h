// Who may use a gateway, as its Settings say: nobody opens a proxy, or the operator's pages, to the world by
// leaving something out.
#pragma once

#include "base/result.h"
#include "gateway/settings.h"

namespace sallyport::gateway {

/// Error kind usage, a sentence that says why and how, where a proxy or the admin pages could be reached from
/// other machines and it was not said who may use them, or where what was said contradicts itself. Beside the
/// addresses nothing is looked at.
Result<> check_access(const Settings& settings);

}  // namespace sallyport::gateway
