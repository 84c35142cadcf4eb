// ByteBudget: bytes that several users may hold together, on any threads. A budget may be a part of a larger
// one, from which it takes as well.
#pragma once

#include <atomic>
#include <cstddef>

namespace sallyport::masque {

class ByteBudget {
 public:
  /// `whole` must outlive this.
  explicit ByteBudget(std::size_t limit, ByteBudget* whole = nullptr) : limit_(limit), whole_(whole) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  /// False, and nothing is taken, when fewer are left.
  bool take(std::size_t bytes) {
    if (taken_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_ &&
        (whole_ == nullptr || whole_->take(bytes)))
      return true;
    taken_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  void give_back(std::size_t bytes) {
    taken_.fetch_sub(bytes, std::memory_order_relaxed);
    if (whole_ != nullptr) whole_->give_back(bytes);
  }
  std::size_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  const std::size_t limit_;
  ByteBudget* const whole_;
  std::atomic<std::size_t> taken_ = 0;
};

}  // namespace sallyport::masque
