// WatchedFile: detects that a file was replaced, written to or removed since it was last read. By polling,
// not inotify: the file may be on a network file system, or behind symbolic links that are switched.
#pragma once

#include "files/file_identity.h"

#include <optional>
#include <string>

namespace sallyport::gateway {

class WatchedFile {
 public:
  explicit WatchedFile(std::string path) : path_(std::move(path)) {}
  /// Call it before reading the file, so a write during the reading counts as a change.
  void note();
  /// Whether it differs from its state at note(), and did not change between two calls: a half-written file
  /// must not be read. Never true of a pipe. Call it about every second.
  bool has_changed();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool is_stream_ = false;                      // a pipe or the like: it can be read only once
  files::FileIdentity noted_;                   // default: it did not exist
  std::optional<files::FileIdentity> changed_;  // its state at the last call, if different
};

}  // namespace sallyport::gateway
