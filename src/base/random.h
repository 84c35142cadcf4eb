// Random: where unpredictable bytes come from. The system's generator in earnest, a seeded one in
// simulations, so that a failing seed repeats exactly.
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
  /// Evenly spread over 0 .. bound-1; `bound` > 0.
  std::uint64_t below(std::uint64_t bound);
};

/// Cryptographically strong, one a thread, batched so that a few bytes cost no system call.
Random& system_random();

/// The same bytes from the same seed, on every machine. For simulations and tests; anybody can predict it.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) override;

 private:
  std::uint64_t state_;
};

}  // namespace sallyport
