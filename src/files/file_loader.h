// Loads a file of the served folder, or makes a folder's page, for the cache. Accesses only the file system,
// so it can run on a FileReader's thread.
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

/// Why no file was loaded.
struct MissingFile {
  unsigned status = 404;
  std::string redirect;   ///< 301: the folder's path with its slash, percent-encoded
  bool shortage = false;  ///< 503: no descriptor or memory
};

using LoadedFile = std::expected<std::shared_ptr<CachedFile>, MissingFile>;

struct LoadOptions {
  std::size_t small_file = Chunk::pooled_size;   ///< the content of files up to this size is loaded
  EtagParts etag = EtagParts::size_mtime_ctime;  ///< for larger files
  FileTime (*now)() = wall_clock_now;            ///< the kernel's clock for file timestamps
};

/// Waits for the disk. With `reader` it does not wait and reads the page cache only: nullopt where content is
/// missing there, and for folders' pages.
std::optional<LoadedFile> load_file(const ServedFolder& folder, const RequestPath& path,
                                    const LoadOptions& options, const net::FileReader* reader);

}  // namespace sallyport::files
