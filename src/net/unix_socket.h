// A listening Unix socket and its name in the file system, for TcpListener::listen_unix().
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string>
#include <utility>

#include <sys/types.h>

namespace sallyport::net {

/// The name of a Unix socket that this process made; removed when this is destroyed, unless it belongs to
/// another process by then.
class UnixSocketName {
 public:
  UnixSocketName() = default;
  UnixSocketName(std::string path, dev_t device, ino_t inode)
      : path_(std::move(path)), device_(device), inode_(inode) {}
  UnixSocketName(UnixSocketName&& other) noexcept { *this = std::move(other); }
  UnixSocketName& operator=(UnixSocketName&& other) noexcept;
  ~UnixSocketName();

 private:
  std::string path_;  // empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

struct UnixListening {
  UniqueFd fd;  ///< non-blocking
  UnixSocketName name;
};

/// Listens at `path` with mode 0600: only this user may connect. A stale socket is replaced; a socket with a
/// listener, or any other file, is not. Errors name the path and the remedy.
Result<UnixListening> listen_on_unix_socket(const std::string& path);

}  // namespace sallyport::net
