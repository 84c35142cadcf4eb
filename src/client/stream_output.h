// StreamOutput: an Output for what takes bytes in order and keeps nothing: standard output, a pipe, a device.
// A pipe or a terminal whose reader is slow holds up the download, not the event loop.
#pragma once

#include "base/unique_fd.h"
#include "client/output.h"

#include <memory>
#include <string>

namespace sallyport::client {

/// Writes to `fd`, which is `owned` or outlives the result. `name` is for errors.
std::unique_ptr<Output> make_stream_output(UniqueFd owned, int fd, std::string name, net::EventLoop* loop);

/// Writes all of `bytes`, at `offset` unless that is null, however long it takes.
Result<> write_all(int fd, Bytes bytes, const std::string& path, const std::uint64_t* offset);

/// The error that errno tells.
std::unexpected<Error> file_error(const std::string& what, const std::string& path);

}  // namespace sallyport::client
