// What the entity tag (RFC 9110 §8.8.3) of a file is made of that is too large to be kept in memory.
#pragma once

#include <cstdint>

namespace sallyport::config {

enum class EtagParts : std::uint8_t {
  size_mtime_ctime,  ///< another one whenever the file may have changed
  size_mtime,        ///< the same on all replicas of a site whose files keep their dates
};

}  // namespace sallyport::config
