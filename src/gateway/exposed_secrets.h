// Finds secret files that the file server would serve: a private key, tokens or a log inside the served
// folder. Used once at the start.
#pragma once

#include "gateway/settings.h"

#include <string>
#include <vector>

namespace sallyport::gateway {

/// One warning for each, with the flag, the path and the remedy. Empty where no folder is served. The files
/// must exist; they are compared by their real paths, so a symbolic link inside the folder to a file outside,
/// or to a hidden file, is not detected.
std::vector<std::string> exposed_secrets(const Settings& settings);

}  // namespace sallyport::gateway
