// Files of the gateway's own that its file server would hand to everybody: a private key, tokens or a log
// that lie in the served folder. Used once at the start.
#pragma once

#include "gateway/settings.h"

#include <string>
#include <vector>

namespace sallyport::gateway {

/// Each as a sentence to warn by, with the flag, the path and the mend. Empty where no folder is served. The
/// files must be there by now; they are looked for by their real paths, so a link inside the folder to one
/// that lies elsewhere or in a hidden place of it is not seen.
std::vector<std::string> exposed_secrets(const Settings& settings);

}  // namespace sallyport::gateway
