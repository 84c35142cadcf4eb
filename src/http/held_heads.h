// HeldHeads: the decoded heads of requests that a server holds at a time, bounded for each connection and for
// the process. HPACK and QPACK make a head of 60 KB out of a few octets (RFC 9113 §10.5, RFC 9204 §7.3), and
// a client that opens no window has it held for as long as its stream may wait. A member of ExchangeSet.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sallyport::http {

class HeldHeads {
 public:
  /// Of all connections of the process together.
  static constexpr std::size_t most_of_all = std::size_t{256} * 1024 * 1024;

  HeldHeads() = default;
  ~HeldHeads();
  HeldHeads(const HeldHeads&) = delete;
  HeldHeads& operator=(const HeldHeads&) = delete;

  enum class Verdict : std::uint8_t {
    held,
    too_much_here,    ///< more than `most` bytes of this connection
    too_much_in_all,  ///< more than the process holds
  };
  /// Nothing changes unless it is held.
  Verdict hold(std::size_t bytes, std::size_t most);
  void release(std::size_t bytes);
  std::size_t held() const { return held_; }

 private:
  /// What is taken from all connections' share at a time, so that ordinary ones hardly ever touch it.
  static constexpr std::size_t step = 64 * 1024;

  std::size_t held_ = 0, reserved_ = 0;
};

}  // namespace sallyport::http
