// A listening Unix socket and its name in the file system, for TcpListener::listen_unix().
#pragma once

#include "base/owned_name.h"
#include "base/result.h"
#include "base/unique_fd.h"

#include <string>

namespace sallyport::net {

struct UnixListening {
  UniqueFd fd;  ///< non-blocking
  OwnedName name;
};

/// Listens at `path` with mode 0600: only this user may connect. A stale socket is replaced; a socket with a
/// listener, or any other file, is not. Errors name the path and the remedy.
Result<UnixListening> listen_on_unix_socket(const std::string& path);

/// The error of listen_on_unix_socket(), but for a listener that is there already. Leaves all as it is.
Result<> check_unix_socket(const std::string& path);

}  // namespace sallyport::net
