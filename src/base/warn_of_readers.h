// Warns of secret files that every user of the machine may read, whenever one is read.
#pragma once

#include <string>
#include <string_view>

namespace sallyport {

/// Logs a warning if every user of this machine may read the file that `flag` names.
void warn_of_readers(std::string_view flag, const std::string& path);

}  // namespace sallyport
