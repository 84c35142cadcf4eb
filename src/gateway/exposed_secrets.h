// Finds secret files that others can read: a private key, tokens or a log inside the served folder, at the
// start; and files that every user of the machine may read, whenever they are read.
#pragma once

#include "gateway/settings.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::gateway {

/// One warning for each, with the flag, the path and the remedy. Empty where no folder is served. The files
/// need not exist yet; they are compared by their real paths, so a symbolic link inside the folder to a file
/// outside, or to a hidden file, is not detected.
std::vector<std::string> exposed_secrets(const Settings& settings);

/// Logs a warning if every user of this machine may read the file that `flag` names.
void warn_of_readers(std::string_view flag, const std::string& path);

}  // namespace sallyport::gateway
