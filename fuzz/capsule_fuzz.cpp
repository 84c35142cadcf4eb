// A capsule sequence as a hostile peer may send it: in one piece and cut up, it has to mean the same.
#include "http/capsule.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace sallyport;

struct Read {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  bool failed = false;
  bool at_boundary = false;
  bool operator==(const Read&) const = default;
};

Read read(Bytes bytes, std::size_t piece) {
  http::CapsuleReader reader(200);
  Read read;
  while (!bytes.empty() && !read.failed) {
    const Bytes part = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(part.size());
    read.failed = !reader.feed(
        part, [](std::uint64_t type, std::uint64_t) { return type % 3 != 1; },
        [&](std::uint64_t type, Bytes value) -> Result<> {
          if (value.size() > 200) std::abort();
          read.found.emplace_back(type, as_text(value));
          return {};
        });
  }
  read.at_boundary = reader.at_boundary() && !read.failed;
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes bytes = Bytes(data, size).subspan(1);
  const Read whole = read(bytes, bytes.size() + 1);
  if (!(read(bytes, 1) == whole) || !(read(bytes, std::size_t{data[0]} + 1) == whole)) std::abort();
  return 0;
}
