// Media types by file name extension, for the file server.
#pragma once

#include <string_view>

namespace sallyport::files {

/// The Content-Type for a file called `name`, charset included for text (files are taken to be UTF-8);
/// "application/octet-stream" when the extension is unknown.
std::string_view media_type(std::string_view name);

}  // namespace sallyport::files
