#include "gateway/watched_file.h"

#include <utility>

#include <sys/stat.h>

namespace sallyport::gateway {
namespace {

files::FileIdentity identity_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? files::FileIdentity(status) : files::FileIdentity{};
}

}  // namespace

void WatchedFile::note() {
  changed_.reset();
  noted_ = identity_of(path_);
  struct stat status{};
  is_stream_ = ::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

bool WatchedFile::has_changed() {
  if (is_stream_) return false;
  const files::FileIdentity now = identity_of(path_);
  if (now == noted_) {
    changed_.reset();
    return false;
  }
  return std::exchange(changed_, now) == now;
}

}  // namespace sallyport::gateway
