// ServedFolder: opens files below one folder and never outside of it, despite symbolic links and renames.
// Immutable, shared by workers.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "files/file_identity.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace sallyport::files {

struct OpenedFile {
  UniqueFd fd;
  FileIdentity identity;
};

/// Whether a call may wait for a disk. If not, it fails with EAGAIN where it would have to.
enum class MayWait : std::uint8_t { no, yes };

class ServedFolder {
 public:
  /// Error kind file naming `path` when it is no folder or cannot be read.
  static Result<std::shared_ptr<const ServedFolder>> open(const std::string& path);

  /// A regular file or a folder, for reading; `relative` as in RequestPath. Fails with an errno where it is
  /// missing, forbidden, outside, or neither file nor folder. Symbolic links are followed as long as they
  /// stay inside and do not lead to a hidden name (kernels before 5.6: not at all). Without waiting: Linux
  /// 5.12 or later.
  std::expected<OpenedFile, int> open_file(const std::string& relative, MayWait may_wait) const;

  /// The state of the file that `relative` leads to now. Only for detecting changes of a file from
  /// open_file(), because it may follow links to the outside.
  std::expected<FileIdentity, int> identify(const std::string& relative, MayWait may_wait) const;

  /// The state of what open_file() would open, or its errno, without the right to read it. Follows links as
  /// it does.
  std::expected<FileIdentity, int> identify_served(const std::string& relative, MayWait may_wait) const;

  /// The state of the directory entry `relative`: a symbolic link is not followed. For paths that open_file()
  /// refused. Never follows links to the outside.
  std::expected<FileIdentity, int> identify_itself(const std::string& relative, MayWait may_wait) const;

  /// Whether both are the same folder, by any path.
  bool is_same(const ServedFolder& other) const;

 private:
  explicit ServedFolder(UniqueFd root) : root_(std::move(root)) {}
  UniqueFd root_;
};

}  // namespace sallyport::files
