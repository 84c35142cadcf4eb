// Loads a file of the served folder, or makes the page of one of its folders, for the cache. Touches nothing
// but the file system, so that it can be done on a FileReader's thread.
#pragma once

#include "gateway/cached_file.h"
#include "gateway/request_path.h"
#include "gateway/served_folder.h"

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::gateway {

/// Why there is no file.
struct MissingFile {
  unsigned status = 404;
  std::string redirect;   ///< 301: the folder's path with its slash, percent-encoded
  bool shortage = false;  ///< 503: we have no descriptor or memory for it
};

using LoadedFile = std::expected<std::shared_ptr<CachedFile>, MissingFile>;

/// Files of up to `small_file` bytes with their content. nullopt where it would have to wait and may not;
/// folders' pages always do.
std::optional<LoadedFile> load_file(const ServedFolder& folder, const RequestPath& path,
                                    std::size_t small_file, MayWait may_wait);

}  // namespace sallyport::gateway
