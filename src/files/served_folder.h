// ServedFolder: opens files below one folder and never outside of it, whatever symbolic links or renames
// there are. Immutable, shared by workers.
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

/// Whether a call may wait for a disk. Where it may not, it fails with EAGAIN when it would have to.
enum class MayWait : std::uint8_t { no, yes };

class ServedFolder {
 public:
  /// Error kind file naming `path` when it is no folder or cannot be read.
  static Result<std::shared_ptr<const ServedFolder>> open(const std::string& path);

  /// A regular file or a folder, for reading; `relative` as in RequestPath. The errno of what is missing,
  /// forbidden, outside, or neither file nor folder. Symbolic links are followed as long as they stay inside
  /// and do not lead to a hidden name (kernels before 5.6: not at all). Without waiting: on kernels from 5.12
  /// on.
  std::expected<OpenedFile, int> open_file(const std::string& relative, MayWait may_wait) const;

  /// The state of what `relative` leads to now: good for noticing changes of something that open_file() gave,
  /// for nothing else, as it may look outside.
  std::expected<FileIdentity, int> identify(const std::string& relative, MayWait may_wait) const;

  /// The state of what bears the name `relative` itself: of a symbolic link, wherever it leads, that of the
  /// link. For what open_file() did not give. Never looks outside.
  std::expected<FileIdentity, int> identify_itself(const std::string& relative, MayWait may_wait) const;

  /// Whether both are the same folder, however they were found.
  bool is_same(const ServedFolder& other) const;

 private:
  explicit ServedFolder(UniqueFd root) : root_(std::move(root)) {}
  UniqueFd root_;
};

}  // namespace sallyport::files
