// Finds secret files that others can read: a private key, tokens or a log inside the served folder, at the
// start. (Those that every user of the machine may read: base/warn_of_readers.h.)
#pragma once

#include "gateway/settings.h"

#include <string>
#include <vector>

namespace sallyport::gateway {

/// One warning for each, with the flag, the path and the remedy. Empty where no folder is served. The files
/// need not exist yet; they are compared by their real paths, so a symbolic link inside the folder to a file
/// outside, or to a hidden file, is not detected.
std::vector<std::string> exposed_secrets(const Settings& settings);

}  // namespace sallyport::gateway
