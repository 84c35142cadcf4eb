// What `sallyport --version` prints: the program's version, and those of the libraries that it runs with.
#pragma once

#include <string>

namespace sallyport::cli {

/// Two lines without the last one's end. The libraries' versions are those of the files that were loaded, not
/// of the headers that the program was built with, where the library tells it.
std::string version_text();

}  // namespace sallyport::cli
