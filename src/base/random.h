// Random: a source of random bytes. The system's generator in production, a seeded one in simulations, where
// a failing seed repeats exactly.
#pragma once

#include "base/bytes.h"

#include <cstdint>

namespace sallyport {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) = 0;
  std::uint64_t next_u64() {
    std::uint64_t value = 0;
    fill({reinterpret_cast<std::uint8_t*>(&value), sizeof value});
    return value;
  }
  /// Uniform over 0 .. bound-1; `bound` > 0.
  std::uint64_t below(std::uint64_t bound);
};

/// Cryptographically secure; one for each thread; batched, so a few bytes cost no system call.
Random& system_random();

/// The same bytes from the same seed, on every machine. For simulations and tests only: predictable.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) override;

 private:
  std::uint64_t state_;
};

}  // namespace sallyport
