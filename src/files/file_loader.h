// Loads a file of the served folder, or makes the page of one of its folders, for the cache. Touches nothing
// but the file system, so that it can be done on a FileReader's thread.
#pragma once

#include "files/cached_file.h"
#include "files/entity_tag.h"
#include "files/request_path.h"
#include "files/served_folder.h"
#include "net/file_reader.h"

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::files {

/// Why there is no file.
struct MissingFile {
  unsigned status = 404;
  std::string redirect;   ///< 301: the folder's path with its slash, percent-encoded
  bool shortage = false;  ///< 503: we have no descriptor or memory for it
};

using LoadedFile = std::expected<std::shared_ptr<CachedFile>, MissingFile>;

struct LoadOptions {
  std::size_t small_file = Chunk::pooled_size;   ///< bytes up to which content is loaded, too
  EtagParts etag = EtagParts::size_mtime_ctime;  ///< of files whose content is not
  FileTime (*now)() = wall_clock_now;            ///< the clock by which the kernel dates files
};

/// Waits for the disk. With `reader` it does not, and takes what is in memory: nullopt where that is not all,
/// and for the pages of folders.
std::optional<LoadedFile> load_file(const ServedFolder& folder, const RequestPath& path,
                                    const LoadOptions& options, const net::FileReader* reader);

}  // namespace sallyport::files
