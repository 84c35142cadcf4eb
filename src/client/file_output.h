// FileOutput: an Output for a regular file: written beside its final name and locked, so that two downloads
// never share one; what an earlier run left there is gone on with.
#pragma once

#include "client/output.h"

#include <memory>
#include <string>

namespace sallyport::client {

/// `path`: the file itself, no link. Refused where another download, of this process or of another, writes
/// there. With `resume`, what an earlier run of the same URL left is kept.
Result<std::unique_ptr<Output>> open_file_output(const std::string& path, const std::string& url,
                                                 bool resume);

}  // namespace sallyport::client
