// Where the path that a user names with -o leads: an open descriptor of this process, or a file, whose links
// are followed; and which names a download to it takes meanwhile.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::client {

struct OutputPlace {
  std::optional<int> descriptor;  ///< of this process, inherited and open for writing
  std::string path;               ///< else: with the links at its end followed; there may be nothing yet
};

/// "-", /dev/stdout, /dev/fd/N and links to them are descriptors, which are never replaced. The error names
/// the path.
Result<OutputPlace> find_place(const std::string& path);

/// What is kept beside `path` while it is not whole: its bytes, and which of them are there.
struct PartNames {
  std::string bytes;  ///< FILE.part
  std::string state;  ///< FILE.part.json
};
/// Of a name that leaves no room for the endings, the beginning and a hash.
PartNames part_names(const std::string& path);

/// Every name that a download to `place` needs for itself, so that two can be compared: real paths, or the
/// descriptor's.
std::vector<std::string> taken_names(const OutputPlace& place);

}  // namespace sallyport::client
