#include "files/watched_file.h"

#include <utility>

#include <sys/stat.h>

namespace sallyport::files {
namespace {

/// Default: it does not exist.
files::FileIdentity identity_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? files::FileIdentity(status) : files::FileIdentity{};
}

}  // namespace

void WatchedFile::note() {
  changed_.reset();
  unread_ = false;
  noted_ = identity_of(path_);
}

void WatchedFile::note_unread() {
  // One that is not there changes when it comes.
  unread_ = exists();
}

bool WatchedFile::has_changed() {
  if (is_stream()) return false;
  if (unread_) return true;
  const files::FileIdentity now = identity_of(path_);
  if (now == noted_) {
    changed_.reset();
    return false;
  }
  return std::exchange(changed_, now) == now;
}

}  // namespace sallyport::files
