// Entity tags of files (RFC 9110 §8.8.3): strong ones, because ranges of several responses are combined by
// them.
#pragma once

#include "base/bytes.h"
#include "config/etag_parts.h"
#include "files/file_identity.h"

#include <string>

namespace sallyport::files {

/// From the file's content, with quotes: equal content has an equal tag on every server.
std::string content_etag(Bytes content);

using config::EtagParts;

/// From the state of a file that is too large for memory, with quotes.
std::string state_etag(const FileIdentity& identity, EtagParts parts);

}  // namespace sallyport::files
