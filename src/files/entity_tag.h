// Entity tags of files (RFC 9110 §8.8.3): strong ones, as ranges of several answers are put together by them.
#pragma once

#include "base/bytes.h"
#include "files/file_identity.h"

#include <cstdint>
#include <string>

namespace sallyport::files {

/// What the tag of a file is made of that is too large to be kept in memory.
enum class EtagParts : std::uint8_t {
  size_mtime_ctime,  ///< another one whenever the file may have changed
  size_mtime,        ///< the same on all replicas of a site whose files keep their dates
};

/// Of the file's whole content, with its quotes: the same wherever that is.
std::string content_etag(Bytes content);

/// Of a file in this state, with its quotes.
std::string state_etag(const FileIdentity& identity, EtagParts parts);

}  // namespace sallyport::files
