#include "base/random.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include <string.h>
#include <sys/random.h>

namespace sallyport {
namespace {

void read_kernel(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::abort();  // no key or connection ID may be made without randomness
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

class SystemRandom final : public Random {
 public:
  ~SystemRandom() override { ::explicit_bzero(batch_.data(), batch_.size()); }

  void fill(MutableBytes out) override {
    if (out.size() > batch_.size() / 4) return read_kernel(out);
    if (batch_.size() - used_ < out.size()) {
      read_kernel(batch_);
      used_ = 0;
    }
    // Returned bytes are wiped, so they cannot be read from this memory later.
    const MutableBytes taken = MutableBytes(batch_).subspan(used_, out.size());
    copy_bytes(taken, out.data());
    std::ranges::fill(taken, std::uint8_t{0});
    used_ += out.size();
  }

 private:
  std::array<std::uint8_t, 1024> batch_{};
  std::size_t used_ = batch_.size();
};

}  // namespace

std::uint64_t Random::below(std::uint64_t bound) {
  // The lowest values are rejected, which leaves a multiple of `bound` values: no modulo bias.
  const std::uint64_t rejected = (0 - bound) % bound;
  std::uint64_t value = next_u64();
  while (value < rejected) value = next_u64();
  return value % bound;
}

Random& system_random() {
  thread_local SystemRandom random;
  return random;
}

// SplitMix64: a counter through a mixing function.
void SeededRandom::fill(MutableBytes out) {
  while (!out.empty()) {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    mixed ^= mixed >> 31;
    const std::size_t count = std::min<std::size_t>(out.size(), 8);
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>(mixed >> (8 * i));
    out = out.subspan(count);
  }
}

}  // namespace sallyport
