// What simulated transfers carry: bytes that depend on their place, so that whoever gets them can tell
// whether they are all there, in order and unchanged.
#pragma once

#include "base/bytes.h"

#include <cstdint>

namespace sallyport::sim {

/// The content from `offset` on.
void fill_content(std::uint64_t offset, MutableBytes out);

/// Compares what comes, piece by piece, with the content.
class ContentCheck {
 public:
  void take(Bytes piece);
  std::uint64_t bytes() const { return bytes_; }
  bool intact() const { return intact_; }

 private:
  std::uint64_t bytes_ = 0;
  bool intact_ = true;
};

}  // namespace sallyport::sim
