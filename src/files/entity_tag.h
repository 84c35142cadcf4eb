// Entity tags of files (RFC 9110 §8.8.3): strong ones, as ranges of several answers are put together by them.
#pragma once

#include "base/bytes.h"
#include "config/etag_parts.h"
#include "files/file_identity.h"

#include <string>

namespace sallyport::files {

/// Of the file's whole content, with its quotes: the same wherever that is.
std::string content_etag(Bytes content);

using config::EtagParts;

/// Of a file too large to be kept in memory, in this state, with its quotes.
std::string state_etag(const FileIdentity& identity, EtagParts parts);

}  // namespace sallyport::files
