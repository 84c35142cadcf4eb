// Variable-length integers: what is read can be written, and takes no more bytes than it came in.
#include "base/varint.h"

#include <array>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  Bytes in(data, size);
  while (!in.empty()) {
    const std::size_t before = in.size();
    const auto value = take_varint(in);
    if (!value) {
      if (in.size() != before || before >= 8) std::abort();
      break;
    }
    const std::size_t taken = before - in.size();
    if (*value > varint_max || varint_size(*value) > taken) std::abort();
    std::array<std::uint8_t, 8> out;
    Bytes again = Bytes(out).first(put_varint(out, *value));
    if (again.size() != varint_size(*value) || take_varint(again) != *value || !again.empty()) std::abort();
  }
  return 0;
}
