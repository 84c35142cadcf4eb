// WatchedFile: detects that a file was replaced, written to or removed since it was last read. By polling,
// not inotify: the file may be on a network file system, or behind symbolic links that are switched.
#pragma once

#include "files/file_identity.h"

#include <optional>
#include <string>

#include <sys/stat.h>

namespace sallyport::files {

class WatchedFile {
 public:
  explicit WatchedFile(std::string path) : path_(std::move(path)) {}
  /// Call it before reading the file, so a write during the reading counts as a change.
  void note();
  /// Call it when reading failed for a reason that may pass, such as a lack of descriptors: the file is to be
  /// read again although nobody changes it. Until the next note().
  void note_unread();
  /// Whether it differs from its state at note(), and did not change between two calls (a half-written file
  /// must not be read); or whether it is unread. Never true of a stream. Call it about every second.
  bool has_changed();
  /// At note() it was a pipe, a terminal or the like, which can be read only once.
  bool is_stream() const { return exists() && !S_ISREG(noted_.mode); }
  const std::string& path() const { return path_; }
  /// Its state at note(); default: it did not exist.
  const files::FileIdentity& noted() const { return noted_; }

 private:
  bool exists() const { return noted_ != files::FileIdentity{}; }

  std::string path_;
  bool unread_ = false;
  files::FileIdentity noted_;                   // default: it did not exist
  std::optional<files::FileIdentity> changed_;  // its state at the last call, if different
};

}  // namespace sallyport::files
