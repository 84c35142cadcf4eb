// Who may see the operator's pages, as the Settings say: nobody opens them to the world by leaving something
// out.
#pragma once

#include "base/result.h"
#include "gateway/settings.h"

namespace sallyport::gateway {

/// Error kind usage, a sentence that says why and how, where the pages could be reached from other machines
/// and it was not said who may see them, or where what was said contradicts itself.
Result<> check_admin(const Settings& settings);

}  // namespace sallyport::gateway
