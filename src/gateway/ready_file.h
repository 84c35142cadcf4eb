// ReadyFile: the file of --ready-file, which is there from when the gateway listens until it
// ends. Used by Gateway.
#pragma once

#include "base/owned_name.h"
#include "base/result.h"
#include "net/address.h"

#include <span>
#include <string>

namespace sallyport::gateway {

class ReadyFile {
 public:
  /// `path`: empty: none.
  explicit ReadyFile(std::string path) : path_(std::move(path)) {}
  /// The error of a later write().
  Result<> check() const;
  /// Removes what an earlier gateway left, before it can be taken for this one's.
  Result<> clear() const;
  /// One "ADDRESS:PORT" line each. The file is removed with this object, unless it is another gateway's by
  /// then.
  Result<> write(std::span<const net::SocketAddress> addresses);

 private:
  std::string path_;
  OwnedName written_;
};

}  // namespace sallyport::gateway
