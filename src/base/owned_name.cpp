#include "base/owned_name.h"

#include <unistd.h>

namespace sallyport {

OwnedName& OwnedName::operator=(OwnedName&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  std::swap(modified_, other.modified_);
  return *this;
}

OwnedName::~OwnedName() {
  if (path_.empty()) return;
  struct stat status{};
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_ &&
      status.st_mtim.tv_sec == modified_.tv_sec && status.st_mtim.tv_nsec == modified_.tv_nsec)
    ::unlink(path_.c_str());
}

}  // namespace sallyport
