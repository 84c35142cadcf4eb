// OwnedName: the name of a file or a socket that this process made, removed when this is destroyed. Used
// where a file tells others that the process is there.
#pragma once

#include <string>
#include <utility>

#include <sys/stat.h>
#include <time.h>

namespace sallyport {

/// The name is left alone when something else is called that by then: another process may have taken it over.
class OwnedName {
 public:
  OwnedName() = default;
  /// `status`: of what the name stands for now, by lstat().
  OwnedName(std::string path, const struct stat& status)
      : path_(std::move(path)), device_(status.st_dev), inode_(status.st_ino), modified_(status.st_mtim) {}
  OwnedName(OwnedName&& other) noexcept { *this = std::move(other); }
  OwnedName& operator=(OwnedName&& other) noexcept;
  ~OwnedName();

 private:
  std::string path_;  // empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
  timespec modified_{};  // inode numbers are given out again
};

}  // namespace sallyport
