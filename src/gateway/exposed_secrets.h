// Files of the gateway's own that its file server would hand to everybody: a private key, tokens or a log
// that lie in the served folder. Used once at the start.
#pragma once

#include "gateway/settings.h"

#include <string>
#include <vector>

namespace sallyport::gateway {

/// Each as a sentence to warn by, with the flag, the path and the mend. Empty where no folder is served.
/// Symbolic links are followed; names that the file server hides are no finding.
std::vector<std::string> exposed_secrets(const Settings& settings);

}  // namespace sallyport::gateway
