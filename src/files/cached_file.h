// CachedFile: one state of one file, or of a folder's page, as the cache keeps it and responses send it.
#pragma once

#include "base/chunk.h"
#include "files/file_identity.h"
#include "files/preconditions.h"
#include "http/message.h"
#include "http/replies.h"
#include "net/readable_file.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::files {

/// Lives on in the responses that send it when the cache forgets it.
class CachedFile {
 public:
  std::string relative;  ///< what was opened: with index.html, where that was found
  FileIdentity identity;
  std::uint64_t size = 0;
  bool in_memory = false;
  Chunk content;                                     ///< in_memory: all of it
  std::shared_ptr<const net::ReadableFile> on_disk;  ///< otherwise
  bool generated = false;                            ///< a folder's page: it has no validators and no ranges
  /// Whether it is the same for as long as `identity` is: see is_settled().
  bool settled = false;
  Validators validators;
  std::string last_modified;  ///< empty: it has no date, or one that HTTP cannot say or that is not over yet
  std::string_view type;

  /// It was in this state at `now`, by which it depends what dates are good for.
  void seen_at(const FileTime& now);
  /// The head of a 200 with all fields, made again when the Date changes.
  const http::Response& ok_head(http::Replies& replies, const http::Incoming& in);
  /// Adds what a 200, 206 and 304 have in common: validators and Accept-Ranges.
  void add_metadata(http::Fields& fields) const;

 private:
  struct Prepared {
    const char* alt_svc = nullptr;  // listeners are told apart by where their text lies
    std::uint64_t tick = 0;
    http::Response head;
  };
  std::vector<Prepared> prepared_;  // one for each listener and version family that asked
};

}  // namespace sallyport::files
