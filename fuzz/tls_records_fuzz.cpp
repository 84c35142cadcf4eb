// What a TLS 1.3 client sends after the handshake: records that are sealed as they should be, with any types,
// contents, paddings and key updates, bytes that are not, in any pieces. What is delivered is what was
// sealed.
#include "net/timers.h"
#include "tls/aes_records.h"
#include "tls/wire_for_test.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace {

using namespace sallyport;
using namespace sallyport::tls;

void require(bool condition) {
  if (!condition) std::abort();
}

/// Takes bytes off the front of the input.
class Script {
 public:
  explicit Script(Bytes bytes) : left_(bytes) {}
  bool done() const { return left_.empty(); }
  std::uint8_t next() {
    if (left_.empty()) return 0;
    const std::uint8_t byte = left_[0];
    left_ = left_.subspan(1);
    return byte;
  }
  Bytes take(std::size_t count) {
    const Bytes taken = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }

 private:
  Bytes left_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (!has_fast_aes_gcm()) return 0;
  Script script({data, size});
  net::Timers timers(Time(std::chrono::seconds(1000)));
  AesRecords records(timers, std::make_unique<Wire>(), {keys_for_test(1), keys_for_test(2), {}});
  TrafficKeys theirs = keys_for_test(1);
  std::vector<std::uint8_t> stream, expected, got;
  const std::size_t piece = 1 + std::size_t{script.next()} * 64;
  bool sound = true;  // so far all records were sealed rightly, with content
  while (!script.done()) {
    const std::uint8_t what = script.next();
    if (what < 64) {  // as they come
      const Bytes raw = script.take(what);
      stream.insert(stream.end(), raw.begin(), raw.end());
      sound = false;
      continue;
    }
    const std::uint8_t type = what < 192 ? 23 : script.next();
    const Bytes content = script.take(script.next());
    std::vector<std::uint8_t> inner(content.begin(), content.end());
    inner.push_back(type);
    inner.resize(inner.size() + (what & 7) * 100);
    const auto record = sealed_by(theirs, inner);
    stream.insert(stream.end(), record.begin(), record.end());
    if (type == 22 && (what & 8) != 0) require(theirs.update());
    sound = sound && type == 23;
    if (sound) expected.insert(expected.end(), content.begin(), content.end());
  }
  bool ended = false;
  for (std::size_t at = 0; at < stream.size() && !ended; at += piece) {
    records.arrive(Bytes(stream).subspan(at, std::min(piece, stream.size() - at)));
    for (bool more = true; more && !ended;) {
      const auto found =
          records.read([&got](Bytes bytes) { got.insert(got.end(), bytes.begin(), bytes.end()); });
      ended = !found || *found == Records::Found::end;
      more = found && *found == Records::Found::content;
    }
    records.settle();
  }
  require(got.size() >= expected.size() || ended);
  require(std::equal(got.begin(),
                     got.begin() + static_cast<std::ptrdiff_t>(std::min(got.size(), expected.size())),
                     expected.begin()));
  return 0;
}
