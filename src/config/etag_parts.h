// What the entity tag (RFC 9110 §8.8.3) of a large file, whose content is not kept in memory, is made of.
#pragma once

#include <cstdint>

namespace sallyport::config {

enum class EtagParts : std::uint8_t {
  size_mtime_ctime,  ///< changes whenever the file may have changed
  size_mtime,        ///< the same on all replicas of a site whose files have the same dates
};

}  // namespace sallyport::config
