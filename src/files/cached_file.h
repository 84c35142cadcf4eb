// CachedFile: one state of a file, or of a folder's page, held by the cache and by responses.
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

/// Responses that send it keep it alive after the cache drops it.
class CachedFile {
 public:
  std::string relative;  ///< the opened path, with index.html where that was found
  FileIdentity identity;
  std::uint64_t size = 0;
  bool in_memory = false;
  Chunk content;                                     ///< in_memory: all of it
  std::shared_ptr<const net::ReadableFile> on_disk;  ///< otherwise
  bool generated = false;                            ///< a folder's page: it has no validators and no ranges
  /// Whether an unchanged `identity` means unchanged content: see is_settled().
  bool settled = false;
  Validators validators;
  std::string
      last_modified;  ///< empty: no date, or one that HTTP cannot express or that is not in the past yet
  std::string_view type;

  /// `now`: when the file was in this state; decides whether its dates are usable as validators.
  void seen_at(const FileTime& now);
  /// The header section of a 200 response, made again when the Date changes.
  const http::Response& ok_head(http::Replies& replies, const http::Incoming& in);
  /// Adds the fields common to 200, 206 and 304: validators and Accept-Ranges.
  void add_metadata(http::Fields& fields) const;

 private:
  struct Prepared {
    std::string alt_svc;
    std::uint64_t tick = 0;
    http::Response head;
  };
  std::vector<Prepared> prepared_;  // one for each text of Alt-Svc
};

}  // namespace sallyport::files
