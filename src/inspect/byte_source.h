// ByteSource: a file or a byte string, read in pieces; it can be read again from the start. For qlog's
// reader.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

#include <string>
#include <vector>

namespace sallyport::inspect {

class ByteSource {
 public:
  static Result<ByteSource> open(const std::string& path);
  explicit ByteSource(Bytes bytes, std::string name) : name_(std::move(name)), memory_(bytes) {}

  /// The next piece, valid until the next call; empty at the end.
  Result<std::string_view> next();
  void rewind() { position_ = 0; }
  const std::string& name() const { return name_; }

 private:
  ByteSource(UniqueFd fd, std::string name);

  std::string name_;
  UniqueFd fd_;
  Bytes memory_;
  std::vector<char> buffer_;
  std::uint64_t position_ = 0;
};

}  // namespace sallyport::inspect
