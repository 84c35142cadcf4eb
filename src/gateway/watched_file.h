// WatchedFile: tells when a file was replaced, written to or removed since it was last read. By looking, not
// by inotify: the file may lie on a network file system, or behind symbolic links that are switched.
#pragma once

#include "files/file_identity.h"

#include <optional>
#include <string>

namespace sallyport::gateway {

class WatchedFile {
 public:
  explicit WatchedFile(std::string path) : path_(std::move(path)) {}
  /// To be called before it is read: what is written while it is read is then a change.
  void note();
  /// Whether it is another one than at note(), and was then left alone from one call to the next: half of a
  /// file that is being written is not to be taken for all of it. To be called every second or so.
  bool has_changed();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  files::FileIdentity noted_;                   // the default where it was not there
  std::optional<files::FileIdentity> changed_;  // what it was at the last look, when that is another one
};

}  // namespace sallyport::gateway
